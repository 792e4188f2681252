/** A channel's end with something in between. */
import type { Channel } from '../../src/sync/index.ts'

export type Changed = Partial<Pick<Channel, 'send' | 'receive' | 'close' | 'isLimited' | 'host'>>

/** `channel`, with these in the place of its own. */
export function passing(channel: Channel, changed: Changed): Channel {
  return {
    peer: channel.peer,
    send: (frame) => channel.send(frame),
    receive: () => channel.receive(),
    close: () => channel.close(),
    abort: (reason) => channel.abort(reason),
    get bytesReceived() {
      return channel.bytesReceived
    },
    get bytesSent() {
      return channel.bytesSent
    },
    ...changed,
  }
}
