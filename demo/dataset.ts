/**
 * The demo's data: two successive releases of @mdn/browser-compat-data, one document per feature and browser,
 * `{ feature, browser, support }`, with the publisher's own support statement untouched.
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

export interface Release {
  /** `8.1.0` and the like. */
  readonly version: string
  /** One document per line. */
  lines(): Generator<string, void, undefined>
}

interface Feature {
  readonly __compat?: { readonly support: Readonly<Record<string, unknown>> }
  readonly [child: string]: unknown
}

/** Top-level members that describe the dataset itself and hold no features. */
const NO_FEATURES: ReadonlySet<string> = new Set(['__meta', 'browsers'])

/** Loads a release from the package installed under that alias. */
export async function loadRelease(alias: 'bcd-old' | 'bcd-new'): Promise<Release> {
  const path = fileURLToPath(new URL('data.json', import.meta.resolve(alias)))
  const data = JSON.parse(await readFile(path, 'utf8')) as Readonly<Record<string, Feature>>
  const meta = data['__meta'] as unknown as { readonly version: string }
  return {
    version: meta.version,
    *lines() {
      for (const [name, feature] of Object.entries(data)) if (!NO_FEATURES.has(name)) yield* flatten(feature, name)
    },
  }
}

function* flatten(node: Feature, feature: string): Generator<string, void, undefined> {
  for (const [browser, support] of Object.entries(node.__compat?.support ?? {})) {
    yield `${JSON.stringify({ feature, browser, support })}\n`
  }
  for (const [name, child] of Object.entries(node)) {
    if (name !== '__compat' && typeof child === 'object' && child !== null)
      yield* flatten(child as Feature, `${feature}.${name}`)
  }
}
