// `node reference.mjs MODULE DIRECTORY`: the protocol's reference server on a free port, with its store of files.
const [module, dataDir] = process.argv.slice(2)
const { DurableStreamTestServer } = await import(module)
const server = new DurableStreamTestServer({ port: 0, host: "127.0.0.1", dataDir })
process.stdout.write(`reference: ${await server.start()}\n`)
