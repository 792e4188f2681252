/**
 * A trustless gateway as a source of blocks: any that stock IPFS tools can use, by single blocks and by archives of subtrees, and
 * our own, which shows a signed root beside them. Nothing of it is trusted. A gateway without a root helps with the tree of a
 * root that was learnt elsewhere, if it has the root's node; then it has to have the rest.
 */
import { CarFailure, CarReader } from '../car/index.ts'
import { statementsOf } from '../carriers/attachments.ts'
import type { Clock } from '../clock.ts'
import { isCoppiceError } from '../errors.ts'
import { HttpSession } from '../http/index.ts'
import type { HttpClient, HttpResponse } from '../http/index.ts'
import { ANSWER_BYTES_MAX } from '../limits.ts'
import { CODEC_DAG_CBOR, formatLink, type Link, linkCodec, linkMapKey } from '../link.ts'
import { decodeRootFile, knownAttachments, ROOT_FILE } from '../mirror/root-file.ts'
import { ROOT_FILE_BYTES_MAX } from '../mirror/limits.ts'
import { NODE_BYTES_MAX, RAW_VALUE_BYTES_MAX } from '../prolly/index.ts'
import type { Blocks, RangeQuestion, Refused, Session } from '../sync/index.ts'
import { CAR_TYPE, RAW_TYPE } from './media-types.ts'
import { PreOrder } from './pre-order.ts'

/** Requests under way for one question. */
const REQUESTS_AT_ONCE = 4
/** Of single blocks, so that an answer does not take long over a slow line. */
const LINKS_PER_ANSWER = 32
/** Of an archive, what is read beyond the blocks that are of use: parts of files, which are asked for by themselves, and nonsense. */
const PASSED_BYTES_MAX: number = 4 * 1024 * 1024
/** Blocks of an answer to a range. */
const RANGE_BLOCKS_MAX = 1024

/** Statuses that say "not here", and "later". */
const ABSENT: readonly number[] = [404, 410, 451, 504]
const BUSY: readonly number[] = [429, 500, 502, 503]

/** Whether it answers as a trustless gateway does, by the request that is made for asking that. Discards the answer. */
export async function isGateway(client: HttpClient): Promise<boolean> {
  const response = await client.get('ipfs/bafkqaaa?format=raw', { headers: { accept: RAW_TYPE } })
  const isEmpty = response.status === 200 && (await response.read(1).catch(() => undefined))?.length === 0
  await response.discard()
  return isEmpty
}

export class GatewaySession extends HttpSession {
  /** Of each root that was asked about, whether its node is there. */
  readonly #roots = new Map<string, boolean>()
  #hasArchives = true
  #statements: Uint8Array | undefined

  /** `shown`: its root file, if it has one. */
  constructor(client: HttpClient, clock: Clock, shown: Pick<Session, 'announced' | 'statements'> | undefined) {
    super(client, clock)
    this.announce(shown?.announced)
    this.#statements = shown?.statements
  }

  get statements(): Uint8Array | undefined {
    return this.#statements
  }

  override async getBlocks(_root: Link, links: readonly Link[]): Promise<Blocks | Refused> {
    return await this.question(async () => this.heard(await this.#blocks(links)))
  }

  /** A gateway knows no base: where there is one, little below a node is new, and the nodes come alone. */
  async getRange({ root, base, links, bytesMax }: RangeQuestion): Promise<readonly Uint8Array[] | Refused> {
    if (base !== null || !this.#hasArchives) {
      const blocks = await this.getBlocks(root, links)
      return typeof blocks === 'string' ? blocks : blocks.filter((block) => block !== null)
    }
    return await this.question(async () => this.heard(await this.#subtrees(links, bytesMax)))
  }

  /** Whoever has the root's node is taken to have its tree. */
  async getHave(root: Link, links: readonly Link[]): Promise<readonly boolean[] | Refused> {
    const key = linkMapKey(root)
    let has = this.#roots.get(key)
    if (has === undefined) {
      const blocks = await this.getBlocks(root, [root])
      if (typeof blocks === 'string') return blocks
      has = blocks[0] !== null
      this.#roots.set(key, has)
    }
    const answer = has
    return links.map(() => answer)
  }

  protected override async fetchRoot(): Promise<Uint8Array | undefined> {
    if (this.announced === undefined) return undefined
    const response = await this.client.get(ROOT_FILE)
    if (response.status !== 200) {
      await response.discard()
      return undefined
    }
    const bytes = await response.read(ROOT_FILE_BYTES_MAX)
    try {
      const file = decodeRootFile(bytes)
      this.#statements = statementsOf(knownAttachments(file))
      return file.roots[0]?.signedRoot
    } catch (error) {
      throw this.client.fault('protocol', error instanceof Error ? error.message : String(error), error)
    }
  }

  async #blocks(links: readonly Link[]): Promise<Blocks | 'busy'> {
    const asked = links.slice(0, LINKS_PER_ANSWER)
    const blocks: (Uint8Array | null)[] = []
    let bytes = 0
    for (let next = 0; next < asked.length && bytes < ANSWER_BYTES_MAX; next += REQUESTS_AT_ONCE) {
      const part = await Promise.all(asked.slice(next, next + REQUESTS_AT_ONCE).map((link) => this.#block(link)))
      for (const block of part) {
        if (block === 'busy') return blocks.length > 0 ? blocks : 'busy'
        bytes += block?.length ?? 0
        if (bytes > ANSWER_BYTES_MAX && blocks.length > 0) return blocks
        blocks.push(block)
      }
    }
    return blocks
  }

  async #subtrees(links: readonly Link[], bytesMax: number): Promise<readonly Uint8Array[] | 'busy'> {
    const blocks: Uint8Array[] = []
    let room = bytesMax
    for (let next = 0; next < links.length && room > 0; next += REQUESTS_AT_ONCE) {
      const left = room
      const part = links.slice(next, next + REQUESTS_AT_ONCE)
      for (const subtree of await Promise.all(part.map((link) => this.#subtree(link, left)))) {
        if (subtree === 'busy') return blocks.length > 0 ? blocks : 'busy'
        for (const block of subtree) {
          if ((block.length > room || blocks.length >= RANGE_BLOCKS_MAX) && blocks.length > 0) return blocks
          blocks.push(block)
          room -= block.length
        }
      }
    }
    return blocks
  }

  async #block(link: Link): Promise<Uint8Array | null | 'busy'> {
    const response = await this.client.get(`ipfs/${formatLink(link)}?format=raw`, { headers: { accept: RAW_TYPE } })
    if (response.status === 200) {
      return await response.read(linkCodec(link) === CODEC_DAG_CBOR ? NODE_BYTES_MAX : RAW_VALUE_BYTES_MAX)
    }
    return await this.#refusal(response)
  }

  /** What there is of the subtree, up to the first block beyond `room`; its top block where the gateway has no archives. */
  async #subtree(link: Link, room: number): Promise<readonly Uint8Array[] | 'busy'> {
    if (!this.#hasArchives) {
      const block = await this.#block(link)
      return block === 'busy' ? block : block === null ? [] : [block]
    }
    const response = await this.client.get(`ipfs/${formatLink(link)}?format=car&dag-scope=all`, {
      headers: { accept: `${CAR_TYPE}; version=1; order=dfs` },
    })
    if (response.status === 200) return await this.#readArchive(link, response, room)
    if (response.status === 400 || response.status === 406 || response.status === 501) {
      // It gives single blocks, as the least that a gateway may.
      await response.discard()
      this.#hasArchives = false
      return await this.#subtree(link, room)
    }
    return (await this.#refusal(response)) ?? []
  }

  async #readArchive(link: Link, response: HttpResponse, room: number): Promise<readonly Uint8Array[]> {
    const blocks: Uint8Array[] = []
    const order = new PreOrder(link)
    let bytes = 0
    let passed = 0
    let reader: CarReader | undefined
    try {
      // What it has in all is not ours to bound: it is left when enough has come.
      reader = await CarReader.open(response.chunks(Number.MAX_SAFE_INTEGER))
      while (!order.isDone && bytes < room && passed < PASSED_BYTES_MAX && blocks.length < RANGE_BLOCKS_MAX) {
        const section = await reader.next()
        if (section === undefined) break
        if (section.link === undefined || !order.take(section.link, section.bytes)) {
          passed += section.cost
          continue
        }
        blocks.push(section.bytes)
        bytes += section.length
      }
    } catch (error) {
      if (error instanceof CarFailure) throw this.client.fault('protocol', `sent no archive (${error.message})`, error)
      // Gateways break off where they lack a block: what came is as good as the rest of any answer.
      if (blocks.length === 0 || !isCoppiceError(error, 'PEER_UNREACHABLE')) throw error
    } finally {
      await reader?.close()
      await response.discard()
    }
    return blocks
  }

  /** null: not here. @throws {CoppiceError} `PEER_PROTOCOL` for an answer that no question has. */
  async #refusal(response: HttpResponse): Promise<null | 'busy'> {
    await response.discard()
    if (ABSENT.includes(response.status)) return null
    if (BUSY.includes(response.status)) return 'busy'
    throw this.client.fault('protocol', `answered with status ${response.status}`)
  }
}
