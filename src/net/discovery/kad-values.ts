/**
 * Values in a DHT (record.md, 7): kad-dht's messages, between validators of our own. Each value that comes is judged before libp2p
 * stores it or hands it on, in the name of whoever sent it; each that is asked for is shown as it is, newest or not, so that whoever
 * asks sees which members are behind.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import { type KadDHT, type KadDHTComponents, type KadDHTInit, Record as KadRecord } from '@libp2p/kad-dht'
import { equalBytes } from '../../bytes.ts'
import type { ValueEvent, ValueNetwork } from '../../carriers/value-network.ts'
import { createLogger } from '../log.ts'
import type { BoundedDatastore } from './bounded-datastore.ts'
import { type ValueFloors, ValueRefused } from './value-floors.ts'

const log = createLogger('values')

type Registrar = KadDHTComponents['registrar']
type QueryEvent = ReturnType<KadDHT['get']> extends AsyncIterable<infer T> ? T : never

/** Knows from whom the message comes that is being handled: libp2p's validators and its store are not told. */
export class Senders {
  readonly #sender = new AsyncLocalStorage<string>()

  /** The peer whose message is being handled; undefined for what we do ourselves. */
  get current(): string | undefined {
    return this.#sender.getStore()
  }

  /** The parts that a service is made of, with handlers that note the sender. */
  watch<T extends { readonly registrar: Registrar }>(components: T): T {
    const { registrar } = components
    const handle: Registrar['handle'] = async (protocol, handler, options) => {
      const noted: StreamHandler = (stream: Stream, connection: Connection) =>
        this.#sender.run(connection.remotePeer.toString(), () => handler(stream, connection))
      await registrar.handle(protocol, noted, options)
    }
    const watched = overlay(registrar, { handle })
    return overlay(components, { registrar: watched } as Partial<T>)
  }
}

/** `target` with some of its fields in another's place; methods keep their `this`. */
function overlay<T extends object>(target: T, fields: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      if (name in fields) return fields[name as keyof T]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** How a DHT service judges values. `sourceOf`: what counts as one stranger. */
export function valueInit(
  floors: ValueFloors,
  senders: Senders,
  sourceOf: (peer: string) => string,
): Pick<KadDHTInit, 'validators' | 'selectors'> {
  const validate = (key: Uint8Array, value: Uint8Array): void => {
    const sender = senders.current
    if (sender === undefined) floors.check(key, value)
    else floors.admit(key, value, sourceOf(sender))
  }
  const select = (key: Uint8Array, values: Uint8Array[]): number => floors.newest(key, values)
  return {
    // libp2p's own kind, public keys of peers, has no use here, and is refused like any that is not known.
    validators: { pk: validate, ...Object.fromEntries(floors.namespaces.map((each) => [each, validate])) },
    selectors: Object.fromEntries(floors.namespaces.map((each) => [each, select])),
  }
}

export interface KadValuesParts {
  readonly service: KadDHT
  readonly floors: ValueFloors
  readonly memory: BoundedDatastore
  /** Our own peer id. */
  readonly self: string
}

export class KadValues implements ValueNetwork {
  readonly #parts: KadValuesParts
  readonly #over = new AbortController()

  constructor(parts: KadValuesParts) {
    this.#parts = parts
  }

  /** Ends all questions. */
  stop(): void {
    this.#over.abort(new Error('this node is stopped'))
  }

  async *get(key: Uint8Array, signal: AbortSignal): AsyncGenerator<ValueEvent, void, undefined> {
    const { service, memory, self } = this.#parts
    const held = memory.valueOfOthers(key)
    if (held !== undefined) yield { kind: 'value', member: self, value: KadRecord.deserialize(held).value }
    const either = AbortSignal.any([signal, this.#over.signal])
    try {
      for await (const event of service.get(key, { signal: either })) {
        // What follows would put the newest to those that showed something else: the carrier decides about that.
        if (event.name === 'SEND_QUERY' && event.messageName === 'PUT_VALUE') break
        const seen = answerOf(key, event)
        if (seen !== undefined) yield seen
      }
    } catch (error) {
      rethrowAborted(either, error)
    }
  }

  /** Nothing that is older than what this node knows is put, nor kept here. */
  async *put(key: Uint8Array, value: Uint8Array, signal: AbortSignal): AsyncGenerator<ValueEvent, void, undefined> {
    const { service, floors, self } = this.#parts
    signal.throwIfAborted()
    try {
      floors.admit(key, value, undefined)
    } catch (error) {
      if (!(error instanceof ValueRefused)) throw error
      yield { kind: 'asked', member: self }
      yield { kind: 'refused', member: self, reason: error.message }
      return
    }
    const either = AbortSignal.any([signal, this.#over.signal])
    const asked = new Set<string>()
    try {
      for await (const event of service.put(key, value, { signal: either })) {
        if (event.name === 'SEND_QUERY' && event.messageName === 'PUT_VALUE') {
          asked.add(event.to.toString())
          yield { kind: 'asked', member: event.to.toString() }
        } else if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') {
          const isStored = event.record !== undefined && equalBytes(event.record.value, value)
          const member = event.from.toString()
          yield isStored ? { kind: 'stored', member } : { kind: 'refused', member, reason: 'it stored something else' }
        } else if (event.name === 'QUERY_ERROR' && asked.has(event.from.toString())) {
          yield { kind: 'refused', member: event.from.toString(), reason: event.error.message }
        }
      }
    } catch (error) {
      rethrowAborted(either, error)
    }
  }
}

function answerOf(key: Uint8Array, event: QueryEvent): ValueEvent | undefined {
  if (event.name === 'SEND_QUERY') return { kind: 'asked', member: event.to.toString() }
  if (event.name !== 'PEER_RESPONSE') return undefined
  const member = event.from.toString()
  const { record } = event
  return record !== undefined && equalBytes(record.key, key)
    ? { kind: 'value', member, value: record.value }
    : { kind: 'nothing', member }
}

/** Whatever else libp2p ends a search with, what was found until then counts. */
function rethrowAborted(signal: AbortSignal, error: unknown): void {
  signal.throwIfAborted()
  log.error('a search ended early: %s', error)
}
