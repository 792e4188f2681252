/** HTTP as untrusted peers are asked over it: a bounded client, and what sessions over it have in common. */
export { HttpClient, type HttpOptions, type HttpRequest, openHttp, type Resolve } from './client.ts'
export { HttpSession } from './http-session.ts'
export type { HttpResponse } from './response.ts'
export { isHttpUrl, parseHttpUrl, type Reach } from './target.ts'
