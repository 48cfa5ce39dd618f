// `node follow.mjs URL json|bytes long-poll|sse [BATCH OFFSET]`: the official client follows one stream, as its README says to.
// Each batch is a line of JSON on stdout: what came, and the offset after it. A session that breaks is begun anew at the last offset.
import { stream } from "@durable-streams/client"

const [url, what, live] = process.argv.slice(2)
const headers = { Authorization: `Bearer ${process.env.TOKEN}` }
const backoffOptions = { initialDelay: 20, maxDelay: 200, multiplier: 1.3 } // the default waits up to a minute
let offset = "-1"

function take(batch, items) {
  offset = batch.offset
  process.stdout.write(JSON.stringify({ offset, items, upToDate: batch.upToDate }) + "\n")
}

for (;;) {
  try {
    const session = await stream({ url, headers, live, offset, backoffOptions })
    if (what === "json") session.subscribeJson(async (batch) => take(batch, batch.items))
    else session.subscribeBytes(async (chunk) => take(chunk, Buffer.from(chunk.data).toString("base64")))
    await session.closed
  } catch (error) {
    process.stderr.write(`broken at ${offset}: ${error}\n`)
  }
}
