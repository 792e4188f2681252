/**
 * A process with nodes of npm's bittorrent-dht on loopback, in its own process because one malformed datagram ends it. Started with
 * how many; tells their ports once all of them know each other, and then gets and puts by its own code what it is told to.
 */
import DHT from 'bittorrent-dht'
import { setTimeout as delay } from 'node:timers/promises'
import { itemTarget } from '../../../src/carriers/bep44/item.ts'
import { createSigner, verifySignature } from '../../../src/pointer/index.ts'
import type { NodesAnswer, NodesQuestion } from '../bep44-swarm.ts'

const plain = (bytes: Buffer): Uint8Array => new Uint8Array(bytes)

const count = Number(process.argv[2])
const nodes = Array.from(
  { length: count },
  () =>
    new DHT({
      bootstrap: false,
      // Its lookups wait for our clients, too, which answer nobody.
      timeout: 400,
      verify: (signature, bytes, key) => verifySignature(plain(key), plain(bytes), plain(signature)),
    }),
)
for (const node of nodes) await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
const ports = nodes.map((node) => node.address().port)
for (const node of nodes) {
  for (const port of ports) if (port !== node.address().port) node.addNode({ host: '127.0.0.1', port })
}
while (nodes.some((node) => node.toJSON().nodes.length < count - 1)) await delay(10)

const tell = (answer: NodesAnswer): void => void process.send?.(answer)
tell({ id: 0, ports })

process.on('message', (question: NodesQuestion) => void answer(question))

async function answer(question: NodesQuestion): Promise<void> {
  const node = nodes[question.node] as DHT
  const salt = Buffer.from(question.salt, 'hex')
  const { id } = question
  if (question.type === 'get') {
    const target = Buffer.from(itemTarget(plain(Buffer.from(question.key, 'hex')), plain(salt)))
    node.get(target, { cache: false, salt }, (error, value) => {
      const found = value === null ? {} : { sequence: value.seq ?? 0, value: value.v.toString('hex') }
      tell({ id, ...found, ...(error === null ? {} : { error: error.message }) })
    })
    return
  }
  const signer = createSigner(plain(Buffer.from(question.seed, 'hex')))
  const v = Buffer.from(question.value, 'hex')
  const { sequence: seq } = question
  // It signs while it puts, and waits for nothing.
  const head = `4:salt${salt.length}:${salt.toString('latin1')}3:seqi${seq}e1:v${v.length}:`
  const signature = Buffer.from(await signer.sign(plain(Buffer.concat([Buffer.from(head, 'latin1'), v]))))
  node.put({ k: Buffer.from(signer.publicKey), salt, seq, v, sign: () => signature }, (error) =>
    tell({ id, ...(error === null ? {} : { error: error.message }) }),
  )
}

process.on('disconnect', () => process.exit())
