/** A channel over a slow line: what is sent takes its time, one frame after the other, on whatever clock there is. */
import type { Clock } from '../../src/clock.ts'
import type { Channel } from '../../src/sync/index.ts'
import { passing } from './passing-channel.ts'

/** Around the sender's end. */
export function paced(channel: Channel, clock: Clock, bytesPerSecond: number | (() => number)): Channel {
  let last: Promise<void> = Promise.resolve()
  const send = async (frame: Uint8Array): Promise<void> => {
    const rate = typeof bytesPerSecond === 'number' ? bytesPerSecond : bytesPerSecond()
    await clock.sleep((frame.length * 1000) / rate)
    await channel.send(frame)
  }
  return passing(channel, {
    send: (frame) => {
      const sent = last.then(() => send(frame))
      last = sent.catch(() => {})
      return sent
    },
    close: async () => {
      await last
      await channel.close()
    },
  })
}
