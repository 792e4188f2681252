/**
 * HOSTILE, on purpose: a replica that sends wrong bytes. It clones the database honestly, announces the author's genuine
 * signed root, answers like any peer, and flips one bit of one block in every answer. Only the demo starts it.
 *
 *     node demo/liar.ts ADDRESS DIRECTORY
 *
 * Prints the multiaddr it listens on, then a line for each answer it has corrupted.
 */
import { providerOptions } from '../src/db/index.ts'
import { Replica } from '../src/index.ts'
import { createNode } from '../src/net/index.ts'
import { type Channel, ProviderSet, REQUEST_FRAME_BYTES_MAX } from '../src/sync/index.ts'
import { decodeAnswer, encodeMessage } from '../src/sync/wire/index.ts'
import { surroundings } from '../src/surroundings.ts'

/** The frame with one bit of its last block flipped. Whatever carries no block stays as it is. */
function corrupt(frame: Uint8Array): Uint8Array {
  const answer = decodeAnswer(frame)
  if (answer.type !== 'blocks' && answer.type !== 'range') return frame
  const last = answer.blocks.at(-1)
  if (last === undefined || last === null) return frame
  const wrong = new Uint8Array(last)
  wrong[wrong.length >> 1] = (wrong[wrong.length >> 1] ?? 0) ^ 1
  console.log(`sent ${answer.blocks.length} blocks, one of them wrong`)
  if (answer.type === 'range') return encodeMessage({ ...answer, blocks: [...answer.blocks.slice(0, -1), wrong] })
  return encodeMessage({ ...answer, blocks: [...answer.blocks.slice(0, -1), wrong] })
}

/** A channel that lies, after a first frame, the welcome, that is true: with a root of its own it would be found out at once. */
function lying(channel: Channel): Channel {
  let isWelcomed = false
  return {
    peer: channel.peer,
    send: (frame) => {
      const sent = isWelcomed ? corrupt(frame) : frame
      isWelcomed = true
      return channel.send(sent)
    },
    receive: () => channel.receive(),
    close: () => channel.close(),
    abort: (reason) => channel.abort(reason),
    get bytesReceived() {
      return channel.bytesReceived
    },
    get bytesSent() {
      return channel.bytesSent
    },
  }
}

/** Serves what the replica has now, as src/serve.ts does, but through channels that lie. */
async function serveLies(replica: Replica): Promise<string> {
  const providers = new ProviderSet({ clock: surroundings.clock })
  providers.add(providerOptions(replica.state))
  const peerKey = crypto.getRandomValues(new Uint8Array(32))
  const node = await createNode({ peerKey, listen: ['/ip4/127.0.0.1/tcp/0'] })
  await node.handle((channel) => providers.handle(lying(channel)), { frameBytesMax: REQUEST_FRAME_BYTES_MAX })
  return node.addresses()[0] ?? ''
}

const [address = '', directory = ''] = process.argv.slice(2)
console.log(await serveLies(await Replica.clone(address, directory)))
