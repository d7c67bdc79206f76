// Checks recorded bodies of OTLP in JSON against the protocol's own definitions, as npm's
// @opentelemetry/otlp-transformer has them compiled in, which is not ours.
//
// usage: node otlp_verify.js NODE_MODULES HOOKS
//
// HOOKS has a request a line, as http_server.py writes them. Each body becomes the protocol's message, and JSON again: what
// the definitions do not know, or have of another type, is not in that, or is another. Prints "ok <spans>", or "bad <why>".
const assert = require('assert')
const fs = require('fs')
const path = require('path')
const root = require(path.join(process.argv[2], '@opentelemetry/otlp-transformer/build/src/generated/root.js'))

const Request = root.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest

// In OTLP's JSON, ids are hex digits; in that of Protocol Buffers they are base64.
function ids (body, from, to) {
  for (const resource of body.resourceSpans) {
    for (const scope of resource.scopeSpans) {
      for (const span of scope.spans) {
        for (const name of ['traceId', 'spanId', 'parentSpanId']) {
          if (span[name]) span[name] = Buffer.from(span[name], from).toString(to)
        }
      }
    }
  }
  return body
}

for (const line of fs.readFileSync(process.argv[3], 'utf8').split('\n')) {
  if (line === '') continue
  const text = JSON.parse(line).body
  try {
    const message = Request.fromObject(ids(JSON.parse(text), 'hex', 'base64'))
    assert.strictEqual(Request.verify(message), null)
    const decoded = Request.decode(Request.encode(message).finish())
    const back = Request.toObject(decoded, { longs: String, bytes: String, enums: Number, arrays: false })
    const wanted = JSON.parse(text)
    for (const resource of wanted.resourceSpans) {
      for (const scope of resource.scopeSpans) {
        for (const span of scope.spans) if (span.attributes.length === 0) delete span.attributes
      }
    }
    assert.deepStrictEqual(JSON.parse(JSON.stringify(ids(back, 'base64', 'hex'))), wanted)
    console.log('ok ' + wanted.resourceSpans[0].scopeSpans[0].spans.length)
  } catch (e) {
    console.log('bad ' + e.message)
  }
}
