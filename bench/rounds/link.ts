/**
 * A process of slow links, one for each item of the list it is given: prints their ports; for each line on standard input
 * what each has carried so far.
 *
 *     node bench/rounds/link.ts '[{"target":4001,"roundTrip":100,"lossRate":0,"isNew":true}]'
 */
import { createInterface } from 'node:readline'
import { Link, type LinkOptions } from '../links/link.ts'

export type LinkArguments = readonly (LinkOptions & { readonly target: number })[]

const options = JSON.parse(process.argv[2] ?? '[]') as LinkArguments
const links = options.map((each) => new Link(each.target, each))
console.log(JSON.stringify(await Promise.all(links.map((link) => link.listen()))))
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(links.map(({ bytes }) => bytes)))
}
process.exit()
