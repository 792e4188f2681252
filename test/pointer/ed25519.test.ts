/** The strict rule for signatures (docs/spec/record.md, 2), through both engines. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { nativeEngine, portableEngine, type Ed25519Engine } from '../../src/pointer/ed25519-engine.ts'
import { createVerifier, isPublicKey, verifySignature } from '../../src/pointer/ed25519.ts'
import { hex } from '../support/hex.ts'
import { assertProperty } from '../support/property.ts'
import { hasSharedVectors, readSharedVectors } from '../support/shared-vectors.ts'

const test = suite('pointer/ed25519')

function requireNative(): Ed25519Engine {
  const native = nativeEngine()
  if (native === undefined) throw new Error('expected node:crypto')
  return native
}

const ENGINES: readonly (readonly [string, Ed25519Engine])[] = [
  ['native', requireNative()],
  ['portable', portableEngine()],
]

/** RFC 8032, 7.1: seed, public key, message, signature. */
const RFC_8032: readonly (readonly [string, string, string, string])[] = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
]

/** All points of small order, and other encodings of them (y >= p, or x = 0 with its sign bit). */
const SMALL_ORDER: readonly string[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
]

/** Cases 0..3 of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020): small or mixed order in A, R or both. */
const SPECCHECK: readonly { readonly message: string; readonly key: string; readonly signature: string }[] = [
  {
    message: '8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6',
    key: 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    signature:
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000',
  },
  {
    message: '9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79',
    key: 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    signature:
      'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04',
  },
  {
    message: 'aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab',
    key: 'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    signature:
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e',
  },
  {
    message: 'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c',
    key: 'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    signature:
      '160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09',
  },
]

for (const [name, engine] of ENGINES) {
  const verifier = createVerifier(engine)

  test(`${name}: RFC 8032 signatures are made and verified`, () => {
    for (const [seed, key, message, signature] of RFC_8032) {
      const secret = engine.secretKey(hex(seed))
      assert.is(bytesToHex(secret.publicKey), key)
      assert.is(bytesToHex(secret.sign(hex(message))), signature)
      assert.ok(verifier.verifySignature(hex(key), hex(message), hex(signature)))
    }
  })

  test(`${name}: no key and no R of small order, in any encoding`, () => {
    const [, key, message, signature] = RFC_8032[1] as (typeof RFC_8032)[number]
    for (const point of SMALL_ORDER) {
      assert.not.ok(verifier.isPublicKey(hex(point)), point)
      assert.not.ok(verifier.verifySignature(hex(point), hex(message), hex(signature)), point)
      assert.not.ok(verifier.verifySignature(hex(key), hex(message), hex(point + signature.slice(64))), point)
      assert.not.ok(verifier.verifySignature(hex(point), hex(message), hex(point + '00'.repeat(32))), point)
    }
  })

  test(`${name}: published odd signatures, which verifiers disagree about, do not count`, () => {
    for (const { message, key, signature } of SPECCHECK) {
      assert.not.ok(verifier.verifySignature(hex(key), hex(message), hex(signature)), signature)
    }
  })

  test(`${name}: S + L, another sign, another length, another message do not count`, () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    for (const [, key, message, signature] of RFC_8032) {
      const bytes = hex(signature)
      let s = bytes.subarray(32).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n) + order
      const raised = bytes.slice()
      for (let i = 32; i < 64; i++, s >>= 8n) raised[i] = Number(s & 255n)
      assert.not.ok(verifier.verifySignature(hex(key), hex(message), raised))
      const flipped = hex(key)
      flipped[31] = (flipped[31] as number) ^ 0x80
      assert.not.ok(verifier.verifySignature(flipped, hex(message), bytes))
      assert.not.ok(verifier.verifySignature(hex(key), hex(message), bytes.subarray(0, 63)))
      assert.not.ok(verifier.verifySignature(hex(key), hex(`${message}00`), bytes))
      assert.not.ok(verifier.verifySignature(hex(key).subarray(1), hex(message), bytes))
    }
  })

  const wycheproof = hasSharedVectors('ed25519-wycheproof.json') ? test : test.skip
  wycheproof(`${name}: Wycheproof`, () => {
    interface File {
      testGroups: { publicKey: { pk: string }; tests: { tcId: number; msg: string; sig: string; result: string }[] }[]
    }
    let count = 0
    for (const { publicKey, tests } of readSharedVectors<File>('ed25519-wycheproof.json').testGroups) {
      for (const { tcId, msg, sig, result } of tests) {
        const verdict = verifier.verifySignature(hex(publicKey.pk), hex(msg), hex(sig))
        assert.is(verdict, result === 'valid', `test case ${tcId}`)
        count++
      }
    }
    assert.ok(count > 100)
  })

  const cctv = hasSharedVectors('ed25519-cctv.json') ? test : test.skip
  cctv(`${name}: of CCTV's signatures only the one without any flag counts`, () => {
    type File = { number: number; key: string; sig: string; msg: string }[]
    const accepted = readSharedVectors<File>('ed25519-cctv.json').filter(({ key, sig, msg }) =>
      verifier.verifySignature(hex(key), new TextEncoder().encode(msg), hex(sig)),
    )
    assert.equal(
      accepted.map(({ number }) => number),
      [305],
    )
  })
}

test('both engines agree on any seed, message and mutation', async () => {
  const verifiers = ENGINES.map(([, engine]) => createVerifier(engine))
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const property = fc.property(bytes32, fc.uint8Array(), fc.nat(95), fc.nat(255), (seed, message, at, change) => {
    const [one, other] = ENGINES.map(([, engine]) => engine.secretKey(seed))
    assert.equal(one?.publicKey, other?.publicKey)
    const signature = one?.sign(message) ?? new Uint8Array()
    assert.equal(signature, other?.sign(message))
    const key = new Uint8Array(one?.publicKey ?? [])
    const mutated = at < 64 ? signature : key
    mutated[(at % 64) % mutated.length] = (mutated[(at % 64) % mutated.length] as number) ^ change
    const verdicts = verifiers.map((verifier) => verifier.verifySignature(key, message, signature))
    assert.equal(verdicts, [change === 0, change === 0])
  })
  await assertProperty(property, 100)
})

test('total: any bytes give an answer', async () => {
  const bytes = fc.uint8Array({ maxLength: 70 })
  const property = fc.property(bytes, bytes, bytes, (key, message, signature) => {
    assert.not.ok(verifySignature(key, message, signature))
    assert.type(isPublicKey(key), 'boolean')
  })
  await assertProperty(property, 200)
  for (const odd of [null, undefined, 'text', 1, []]) {
    assert.not.ok(verifySignature(odd as never, odd as never, odd as never))
  }
})

test.run()
