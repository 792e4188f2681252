/** Opening sessions: all peers at once but bounded, none thrown, nothing left open after an abort. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Channel, openSessions, type OpenedSessions, type ChannelDialer } from '../../src/sync/index.ts'
import { DIALS_MAX } from '../../src/sync/limits.ts'
import { AUTHOR, Lab, NAME, never, publish } from '../support/sync-lab.ts'
import { utf8 } from '../support/tree-sets.ts'

const test = suite('sync/open-sessions')
const hello = { author: AUTHOR, name: NAME, have: null }
const source = await publish([{ key: utf8('a'), value: utf8('1') }])

function open(lab: Lab, dialers: readonly ChannelDialer[], signal?: AbortSignal): Promise<OpenedSessions> {
  return lab.clock.run(openSessions(dialers, hello, { clock: lab.clock, signal }))
}

test('no peers, no sessions', async () => {
  const { sessions, failed } = await open(new Lab(), [])
  assert.is(sessions.length + failed.length, 0)
})

test('each peer has a session or a reason', async () => {
  const lab = new Lab()
  const dialers = [
    lab.peer('good', source),
    { name: 'refused', open: () => Promise.reject(new Error('refused')) },
    lab.scripted('rude', (peer) => peer.send(utf8('HTTP/1.1 400 Bad Request'))),
    lab.scripted('mute', never),
    lab.scripted('gone', async () => {}),
    lab.scripted('busy', (peer) =>
      peer.send({ type: 'welcome', version: 1, status: 'busy', signedRoot: null, statements: null }),
    ),
    lab.scripted('old', (peer) =>
      peer.send({ type: 'welcome', version: 9, status: 'version', signedRoot: null, statements: null }),
    ),
  ]
  const { sessions, failed } = await open(lab, dialers)
  assert.equal(
    sessions.map(({ name }) => name),
    ['good'],
  )
  const outcomes = Object.fromEntries(failed.map(({ name, outcome }) => [name, outcome]))
  const expected = {
    refused: 'unreachable',
    rude: 'protocol',
    mute: 'silent',
    gone: 'unreachable',
    busy: 'busy',
    old: 'version',
  }
  assert.equal(outcomes, expected)
})

test('few dials at once, and all of them in the end', async () => {
  const lab = new Lab()
  let now = 0
  let most = 0
  const dialers = Array.from({ length: 40 }, (_, i) => {
    const peer = lab.peer(`p${i}`, source)
    const slow = async (signal: AbortSignal): Promise<Channel> => {
      most = Math.max(most, ++now)
      await lab.clock.sleep(20)
      now--
      return peer.open(signal)
    }
    return { name: peer.name, open: slow }
  })
  const { sessions } = await open(lab, dialers)
  assert.is(sessions.length, 40)
  assert.is(most, DIALS_MAX)
})

test('an abort ends what was opened and gives its reason', async () => {
  const lab = new Lab()
  const abort = new AbortController()
  const reason = new Error('enough')
  const channels: Channel[] = []
  const good = lab.peer('good', source)
  const watched: ChannelDialer = {
    name: 'good',
    open: async (signal) => {
      const channel = await good.open(signal)
      channels.push(channel)
      return channel
    },
  }
  const aborter = lab.clock.sleep(500).then(() => abort.abort(reason))
  const opened: unknown = await open(lab, [watched, lab.scripted('mute', never)], abort.signal).catch(
    (error: unknown) => error,
  )
  await aborter
  assert.is(opened, reason)
  const error: unknown = await channels[0]?.send(utf8('x')).catch((thrown: unknown) => thrown)
  assert.instance(error, Error, 'the channel is closed')
})

test('a signal that has aborted opens nothing', async () => {
  const lab = new Lab()
  const reason = new Error('no')
  const dialer: ChannelDialer = { name: 'x', open: () => assert.unreachable() as never }
  assert.is(await open(lab, [dialer], AbortSignal.abort(reason)).catch((error: unknown) => error), reason)
})

test.run()
