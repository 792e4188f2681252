/** One more peer, that only waits: measures when a server tells of the next signed root. */
import { createNode } from '../src/net/index.ts'
import { decodeSignedRoot, parseAddress } from '../src/pointer/index.ts'
import { ChannelSession } from '../src/sync/peers/channel-session.ts'
import { surroundings } from '../src/surroundings.ts'

const CONNECT_TIMEOUT_MS = 10_000
const WAIT_MS = 30_000

export interface Announcement {
  readonly sequence: number
  /** `performance.now()` when it arrived. */
  readonly at: number
}

/** Connects, and resolves with a promise of the server's next signed root after the one it has now. */
export async function expectAnnouncement(addressText: string): Promise<{ readonly next: Promise<Announcement> }> {
  const { author, name, peers } = parseAddress(addressText)
  const node = await createNode({ peerKey: crypto.getRandomValues(new Uint8Array(32)) })
  const dialer = node.dialer(peers[0] ?? '')
  const session = new ChannelSession(
    await dialer.open(AbortSignal.timeout(CONNECT_TIMEOUT_MS)),
    dialer.name,
    surroundings.clock,
  )
  await session.hello({ author, name, have: null })
  const next = waitForNext(session)
  void next.then(
    () => node.stop(),
    () => node.stop(),
  )
  return { next }
}

async function waitForNext(session: ChannelSession): Promise<Announcement> {
  if (session.announced === undefined) throw new Error('the server has no signed root yet')
  const { link, payload } = decodeSignedRoot(session.announced)
  const have = { payload: link, epoch: payload.epoch, sequence: payload.sequence }
  const news = await session.getRoot(have, WAIT_MS)
  if (news === undefined) throw new Error(`the server told of no new root within ${WAIT_MS} ms`)
  return { sequence: decodeSignedRoot(news).payload.sequence, at: performance.now() }
}
