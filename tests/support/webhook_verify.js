// Checks recorded webhooks with the npm package standardwebhooks, which is not ours.
//
// usage: node webhook_verify.js NODE_MODULES HOOKS SECRET
//
// HOOKS has a request a line, as http_server.py writes them. Prints for each "ok <webhook-id>", or
// "bad <webhook-id>: <why>". Its tolerance of five minutes is the verifier's own.
const fs = require('fs')
const path = require('path')
const { Webhook } = require(path.join(process.argv[2], 'standardwebhooks'))

const verifier = new Webhook(process.argv[4])
for (const line of fs.readFileSync(process.argv[3], 'utf8').split('\n')) {
  if (line === '') continue
  const { headers, body } = JSON.parse(line)
  try {
    verifier.verify(body, headers)
    console.log('ok ' + headers['webhook-id'])
  } catch (e) {
    console.log('bad ' + headers['webhook-id'] + ': ' + e.message)
  }
}
