/** From where addresses are reached, and what may be named by whom: THREATS row 29. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hostKey, mayName, REACH, type Reach, reachOf } from '../../src/net/reach.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('net/reach')

const PLACES: readonly (readonly [host: string, reach: Reach | undefined])[] = [
  ['127.0.0.1', REACH.loopback],
  ['127.255.255.254', REACH.loopback],
  ['::1', REACH.loopback],
  ['0:0:0:0:0:0:0:1', REACH.loopback],
  ['::ffff:127.0.0.1', REACH.loopback],
  ['::ffff:7f00:1', REACH.loopback],
  ['169.254.169.254', REACH.link],
  ['fe80::1', REACH.link],
  ['febf::1', REACH.link],
  ['::ffff:169.254.169.254', REACH.link],
  ['10.0.0.1', REACH.private],
  ['172.16.0.1', REACH.private],
  ['172.31.255.255', REACH.private],
  ['192.168.1.1', REACH.private],
  ['100.64.0.1', REACH.private],
  ['fd00::1', REACH.private],
  ['::ffff:192.168.1.1', REACH.private],
  ['8.8.8.8', REACH.public],
  ['172.15.0.1', REACH.public],
  ['172.32.0.1', REACH.public],
  ['2600::1', REACH.public],
  ['0.0.0.0', undefined],
  ['255.255.255.255', undefined],
  ['224.0.0.251', undefined],
  ['192.0.2.1', undefined],
  ['::', undefined],
  ['ff02::fb', undefined],
  ['2001:db8::1', undefined],
  ['fe80::1%eth0', undefined],
  // What a translator would turn into an address near to us.
  ['64:ff9b::127.0.0.1', undefined],
  ['64:ff9b::a00:1', undefined],
  ['2002:7f00:1::', undefined],
  ['2002:c0a8:101::1', undefined],
  // Other ways to write 127.0.0.1, of which names could be made.
  ['127.1', undefined],
  ['2130706433', undefined],
  ['0x7f.0.0.1', undefined],
  ['0177.0.0.1', undefined],
  ['localhost', undefined],
  ['', undefined],
]

test('each kind of address is told apart, however it is written', () => {
  for (const [host, reach] of PLACES) assert.is(reachOf(host), reach, host)
})

test('nobody names what is nearer to us than he is', () => {
  const all = Object.values(REACH)
  for (const teller of all) {
    for (const target of all) assert.is(mayName(teller, target), target >= teller, `${teller} names ${target}`)
    assert.is(mayName(teller, undefined), false)
  }
})

test('any text has a reach or none, and nothing else', async () => {
  const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.stringMatching(/^[0-9a-f:.]{0,20}$/))
  await assertProperty(
    fc.property(text, (host) => {
      const reach = reachOf(host)
      assert.ok(reach === undefined || Object.values(REACH).includes(reach))
      assert.type(hostKey(host), 'string')
    }),
    500,
  )
})

test('an IPv6 machine is its /64', () => {
  assert.is(hostKey('2600:1:2:3::1'), hostKey('2600:1:2:3:ffff::9'))
  assert.is.not(hostKey('2600:1:2:3::1'), hostKey('2600:1:2:4::1'))
  assert.is.not(hostKey('192.0.2.1'), hostKey('192.0.2.2'))
})

test.run()
