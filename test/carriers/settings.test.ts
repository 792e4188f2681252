/** Which carriers a directory asks for: one form for one content, bounds, and damage told as such. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  CARRIER_NODES_MAX,
  type CarrierSettings,
  decodeCarrierSettings,
  encodeCarrierSettings,
  isCarrierNode,
} from '../../src/carriers/settings.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { text, utf8 } from '../support/database-lab.ts'

const test = suite('carriers/settings')
const NODE = '/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'

test('what is encoded is decoded, in one form', () => {
  const cases: readonly (readonly [CarrierSettings, string])[] = [
    [{}, ''],
    [{ quorum: 2 }, 'quorum 2\n'],
    [{ dht: { bootstrap: [NODE] } }, `dht ${NODE}\n`],
    [
      { quorum: 3, bep44: { bootstrap: ['[::1]:65535', 'a.example:1'] }, ipns: { bootstrap: [NODE] } },
      `ipns ${NODE}\nbep44 [::1]:65535 a.example:1\nquorum 3\n`,
    ],
  ]
  for (const [settings, expected] of cases) {
    const bytes = encodeCarrierSettings(settings)
    assert.is(text(bytes), expected)
    assert.equal(text(encodeCarrierSettings(decodeCarrierSettings(bytes))), expected)
  }
})

test('nothing else is taken', () => {
  const texts = [
    'quorum 2',
    'quorum 02\n',
    'quorum 0\n',
    'quorum 17\n',
    'quorum 2 3\n',
    'quorum\n',
    '\n',
    'dht\n',
    `dht  ${NODE}\n`,
    `dht ${NODE} \n`,
    `dht ${NODE} ${NODE}\n`,
    `dht ${NODE}\ndht ${NODE}\n`,
    `quorum 2\ndht ${NODE}\n`,
    'pigeon a\n',
    'dht a.example:1\n',
    `bep44 ${NODE}\n`,
    'bep44 a:0\n',
    'bep44 a:65536\n',
    'bep44 a:01\n',
    `ipns ${'x'.repeat(40_000)}\n`,
    '__proto__ a\n',
    'quorum 2\r\n',
  ]
  for (const each of texts) {
    try {
      decodeCarrierSettings(utf8(each))
    } catch (error) {
      assert.ok(isCoppiceError(error, 'STORE_CORRUPT'), each)
      continue
    }
    assert.unreachable(JSON.stringify(each))
  }
  assert.throws(
    () => decodeCarrierSettings(Uint8Array.of(0xff, 0x0a)),
    (error: unknown) => isCoppiceError(error, 'STORE_CORRUPT'),
  )
})

test('bounds hold where settings are made', () => {
  const many = Array.from({ length: CARRIER_NODES_MAX + 1 }, (_, i) => `a${i}.example:1`)
  for (const settings of [
    { bep44: { bootstrap: many } },
    { bep44: { bootstrap: [] } },
    { quorum: 0 },
    { quorum: 1.5 },
  ]) {
    assert.throws(
      () => encodeCarrierSettings(settings),
      (error: unknown) => isCoppiceError(error, 'USAGE'),
    )
  }
  assert.ok(isCarrierNode('bep44', 'router.bittorrent.com:6881'))
  assert.not.ok(isCarrierNode('dht', '/ip4/192.0.2.7/tcp/4001'))
})

test.run()
