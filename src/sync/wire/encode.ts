/** Messages to frames (protocol.md, 8). */
import { type Item, encodeItem } from './item.ts'
import { type Message, NUMBERS, type Packed, type PatchValue, REASONS, type RootId, STATUSES } from './message.ts'

/** The frame of a message. @throws {RangeError} where a field is outside its bounds, which is a bug of the caller. */
export function encodeMessage(message: Message): Uint8Array {
  return encodeItem([NUMBERS[message.type], ...fieldsOf(message)])
}

/** The frame of a packed message. */
export function encodePacked({ packing, foldedBytes, bytes }: Packed): Uint8Array {
  return encodeItem([NUMBERS.packed, packing, foldedBytes, bytes])
}

function fieldsOf(message: Message): readonly Item[] {
  switch (message.type) {
    case 'hello':
      return [
        message.version,
        message.author,
        message.name,
        rootIdItem(message.have),
        message.packings,
        message.statements,
      ]
    case 'welcome':
      return [message.version, STATUSES.indexOf(message.status), message.signedRoot, message.statements]
    case 'get root':
      return [message.id, rootIdItem(message.have), message.waitMs]
    case 'root':
      return [message.id, message.signedRoot, message.statements]
    case 'get blocks':
      return [message.id, message.root, message.links, message.bytesMax]
    case 'blocks':
    case 'range':
      return [message.id, message.blocks]
    case 'tell':
      return [message.signedRoot, message.statements]
    case 'refusal':
      return [message.id, REASONS.indexOf(message.reason)]
    case 'get range':
      return [message.id, message.root, message.base, message.links, message.bytesMax]
    case 'get patch':
      return [message.id, message.from, message.to, message.after, message.until, message.bytesMax]
    case 'patch':
      return [message.id, message.keys, message.values.map(patchValueItem), message.isLast ? 1 : 0]
    case 'get have':
      return [message.id, message.root, message.links]
    case 'have':
      return [message.id, message.has.map((each) => (each ? 1 : 0))]
    case 'get peers':
    case 'peers':
      return [message.id, message.addresses]
    case 'get link':
      return [message.id, message.older, message.newer, message.history]
    case 'link':
      return [message.id, message.proof, message.frontier]
    case 'get payloads':
      return [message.id, message.names.map(({ sequence, link }) => [sequence, link])]
    case 'payloads':
      return [message.id, message.signedRoots]
    case 'get attachments':
      return [message.id]
    case 'attachments':
      return [message.id, message.attachments]
  }
}

function rootIdItem(id: RootId | null): Item {
  return id === null ? null : [id.payload, id.epoch, id.sequence]
}

function patchValueItem(value: PatchValue): Item {
  return value === null || value instanceof Uint8Array ? value : [value.link, value.size]
}
