/** All targets, in the order in which they are run. */
import type { Target } from './target.ts';
import { address } from './targets/address.ts';
import { configuration } from './targets/configuration.ts';
import { connection } from './targets/connection.ts';
import { deflate } from './targets/deflate.ts';
import { extensions } from './targets/extensions.ts';
import { frames } from './targets/frames.ts';
import { framesWs } from './targets/frames-ws.ts';
import { framings } from './targets/framings.ts';
import { inflate } from './targets/inflate.ts';
import { requestHead } from './targets/request-head.ts';
import { targetFiles } from './targets/target-files.ts';
import { utf8 } from './targets/utf8.ts';

export const TARGETS: readonly Target[] = [
  requestHead,
  extensions,
  frames,
  framesWs,
  utf8,
  inflate,
  deflate,
  connection,
  framings,
  targetFiles,
  address,
  configuration,
];

export function findTarget(name: string): Target | undefined {
  return TARGETS.find((target) => target.name === name);
}
