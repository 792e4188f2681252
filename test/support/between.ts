/** A channel of a provider that is interfered with. */
import type { Channel } from '../../src/sync/index.ts'
import { passing } from './passing-channel.ts'

/** Does something before each answer, once the welcome is sent. */
export function between(channel: Channel, act: (answers: number) => Promise<void>): Channel {
  let sent = 0
  return passing(channel, {
    send: async (frame) => {
      if (sent++ > 0) await act(sent - 1)
      await channel.send(frame)
    },
  })
}
