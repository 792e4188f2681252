/** The socket of a client of BitTorrent's DHT: who is heard, and what is never sent. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { mayAskNode, resolveNodes, type UdpAddress, UdpSocket } from '../../src/net/udp.ts'
import { DhtMember, honest } from '../support/dht-member.ts'
import { encodeQuestion } from '../../src/carriers/bep44/messages.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { rejectsCode } from '../support/throws.ts'

const question = (n: number): Uint8Array =>
  encodeQuestion(Uint8Array.of(n >> 8, n & 255), new Uint8Array(20), { type: 'get', target: new Uint8Array(20) })

interface Lab {
  readonly socket: UdpSocket
  readonly member: DhtMember
  readonly clock: VirtualClock
  /** Resolves when so many datagrams came in. */
  readonly heard: (count: number) => Promise<readonly UdpAddress[]>
}

async function inLab(isTrusted: boolean, copies: number, body: (lab: Lab) => Promise<void>): Promise<void> {
  const member = await DhtMember.start((asked, self) => Array.from({ length: copies }, () => honest(asked, self)))
  const clock = new VirtualClock()
  const socket = new UdpSocket({ clock, isTrustedHost: () => isTrusted })
  const from: UdpAddress[] = []
  let wake = (): void => {}
  socket.receive((_bytes, address) => {
    from.push(address)
    wake()
  })
  const heard = async (count: number): Promise<readonly UdpAddress[]> => {
    while (from.length < count) await new Promise<void>((resolve) => (wake = resolve))
    return from
  }
  try {
    await body({ socket, member, clock, heard })
  } finally {
    await socket.close()
    await socket.close()
    await member.stop()
  }
}

const asked = (member: DhtMember): number => member.asked.get('get') ?? 0

const test = suite('net/udp')

test('sends to a host that strangers named so often in a second, to those that the user named as often as wanted', async () => {
  await inLab(false, 1, async ({ socket, member, clock, heard }) => {
    for (let i = 0; i < 50; i++) socket.send(question(i), member.address)
    await heard(16)
    await clock.run(clock.sleep(1000))
    socket.send(question(60), member.address)
    await heard(17)
    assert.is(asked(member), 17)
  })
  await inLab(true, 1, async ({ socket, member, heard }) => {
    for (let i = 0; i < 50; i++) socket.send(question(i), member.address)
    await heard(50)
    assert.is(asked(member), 50)
  })
})

test('hears eight datagrams for one that it sent', async () => {
  await inLab(true, 30, async ({ socket, member, heard }) => {
    socket.send(question(1), member.address)
    await heard(8)
    socket.send(question(2), member.address)
    const from = await heard(16)
    assert.ok(from.every(({ port }) => port === member.address.port))
  })
})

test('what no path carries whole, and what is no numeric address, is not sent', async () => {
  await inLab(true, 1, async ({ socket, member, heard }) => {
    socket.send(new Uint8Array(1401), member.address)
    for (const host of ['localhost', '', '127.0.0.1 ', 'fe80::1%lo', '1.2.3'])
      socket.send(question(1), { ...member.address, host })
    for (const port of [0, -1, 65_536, 1.5]) socket.send(question(1), { ...member.address, port })
    socket.send(question(2), member.address)
    await heard(1)
    assert.is(asked(member), 1)
    await socket.close()
    socket.send(question(3), member.address)
  })
})

test('nodes by name and number; none that resolves is a coded error', async () => {
  assert.equal(await resolveNodes(['127.0.0.1:6881', '[::1]:6882', 'localhost:6883', 'a..b:1']), [
    { host: '127.0.0.1', port: 6881 },
    { host: '0:0:0:0:0:0:0:1', port: 6882 },
    { host: '127.0.0.1', port: 6883 },
  ])
  await rejectsCode(resolveNodes(['a..b:1']), 'PEER_UNREACHABLE')
})

test('who may name whom', () => {
  const at = (host: string, port = 6881): UdpAddress => ({ host, port })
  assert.ok(mayAskNode(at('9.9.9.9'), at('8.8.8.8')))
  assert.ok(mayAskNode(at('10.0.0.2'), at('10.0.0.1')))
  assert.ok(mayAskNode(at('127.0.0.1'), at('127.0.0.1')))
  for (const host of ['127.0.0.1', '10.0.0.1', '169.254.1.1', '0:0:0:0:0:0:0:1', '0.0.0.0', 'x']) {
    assert.not.ok(mayAskNode(at(host), at('8.8.8.8')), host)
  }
  assert.not.ok(mayAskNode(at('127.0.0.1'), at('10.0.0.1')))
  assert.not.ok(mayAskNode(at('9.9.9.9', 53), at('8.8.8.8')))
})

test.run()
