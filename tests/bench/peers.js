// The same work by BullMQ: job ids (its idempotency), attempts, exponential backoff.
//
//   peers.js SOCKET fill FILE                     adds a job for each line of FILE
//   peers.js SOCKET drain none|smtp N CONCURRENCY PORT     works N jobs off and ends
//   peers.js SOCKET ping FIFO                     writes a byte into FIFO whenever its processor is called
//   peers.js SOCKET push                          adds a job for each line [key, job] of standard input
'use strict'
const fs = require('fs')
const readline = require('readline')
const { Queue, Worker } = require('bullmq')

const [socket, mode, ...rest] = process.argv.slice(2)
const connection = { path: socket, maxRetriesPerRequest: null }
const options = { attempts: 3, backoff: { type: 'exponential', delay: 1000 } }

async function fill (file) {
  const queue = new Queue('mail', { connection })
  const jobs = fs.readFileSync(file, 'utf8').trim().split('\n').map(line => {
    const data = JSON.parse(line)
    return { name: 'mail', data, opts: { ...options, jobId: data.idempotencyKey } }
  })
  for (let i = 0; i < jobs.length; i += 1000) await queue.addBulk(jobs.slice(i, i + 1000))
  await queue.close()
}

function processor (how, concurrency, port) {
  if (how !== 'smtp') return async () => {}
  const transport = require('nodemailer').createTransport(
    { pool: true, host: '127.0.0.1', port: Number(port), secure: false, ignoreTLS: true, maxConnections: Number(concurrency), maxMessages: Infinity })
  return async job => {
    const { from, to, subject, text } = job.data
    await transport.sendMail({ from, to, subject, text, messageId: `<${job.id}@bench>` })
  }
}

async function drain (how, n, concurrency, port) {
  let left = Number(n)
  const work = processor(how, concurrency, port)
  const worker = new Worker('mail', work, { connection, concurrency: Number(concurrency) })
  worker.on('error', error => { console.error(error); process.exit(1) })
  worker.on('failed', (job, error) => { console.error(error); process.exit(1) })
  worker.on('completed', async () => {
    if (--left > 0) return
    await worker.close()
    process.exit(0)
  })
}

async function push () {
  const queue = new Queue('mail', { connection })
  await queue.waitUntilReady()
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [jobId, job] = JSON.parse(line)
    await queue.add('mail', JSON.parse(job), { ...options, jobId })
  }
  await queue.close()
}

function ping (fifo) {
  const out = fs.openSync(fifo, 'a')
  new Worker('mail', async () => { fs.writeSync(out, '.') }, { connection }).on('error', console.error)
}

const modes = { fill, drain, ping, push }
Promise.resolve(modes[mode](...rest)).catch(error => { console.error(error); process.exit(1) })
process.on('SIGTERM', () => process.exit(0))
