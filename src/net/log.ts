/**
 * Logs for those who look for a fault: nothing unless `DEBUG` names a component (`DEBUG=coppice:*`, `coppice:net:error`),
 * then lines on the standard error output. The same switch and writer as libp2p's own logs, so `DEBUG=coppice:*,libp2p:*`
 * shows both in order. Other folders get a Log handed in, they do not import this one.
 */

import { logger } from '@libp2p/logger'
import { escapeText } from '../escape.ts'
import type { Log } from '../log.ts'

/** The log of `coppice:<component>`. */
export function createLogger(component: string): Log {
  const write = logger(`coppice:${component}`)
  const log = (message: string, ...values: readonly unknown[]): void => {
    if (write.enabled) write(message, ...values.map(plain))
  }
  const error = (message: string, ...values: readonly unknown[]): void => {
    write.error(message, ...values.map(plain))
  }
  return Object.defineProperty(Object.assign(log, { error, enabled: false }), 'enabled', { get: () => write.enabled })
}

function plain(value: unknown): unknown {
  if (typeof value === 'string') return escapeText(value)
  if (value instanceof Error) return escapeText(`${value.name}: ${value.message}`)
  return value
}
