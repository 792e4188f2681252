/**
 * "Held is not verified" (docs/spec/tree.md, 4): forged trees made of honest subtrees get the same verdict, and blame the
 * same block, from a replica that holds nothing and from one that holds whatever the forger took. What is accepted is
 * canonical: the very tree that a bulk build of its rows gives.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertForgery, newTally, type Tally } from '../support/tree-forge-case.ts'
import { seeds } from '../support/property.ts'
import { FORGERIES } from '../support/tree-forge.ts'
import { DEEP, WIDE } from '../support/tree-sets.ts'

const test = suite('prolly/forge')

for (const [name, format, cases] of [
  ['deep', DEEP, 60],
  ['wide', WIDE, 30],
] as const) {
  test(`forgeries are judged alike by a fresh and a warm verifier: ${name}`, () => {
    const tally: Tally = newTally()
    for (const seed of seeds(cases)) assertForgery(seed, format, tally)
    console.log(JSON.stringify(tally))
    assert.ok(tally.forgeries > cases * FORGERIES.length * 2)
    assert.ok(tally.reused > tally.forgeries / 4, 'the warm verifier did skip held subtrees')
    assert.ok(tally.acceptedByCidAlone > 0, 'and skipping by CID alone would have believed some')
  })
}

test.run()
