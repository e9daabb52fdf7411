import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { testClient } from './interop.ts';
import { cache, install, sources } from './program.ts';

testClient({
  name: 'tungstenite (Rust)',
  install: async () => {
    // A copy, because cargo writes its lockfile beside the sources.
    const folder = cache('rust');
    cpSync(sources('rust'), folder, { recursive: true });
    await install(['cargo', 'build', '--quiet', '--release'], { cwd: folder });
    return { command: [join(folder, 'target/release/interop')] };
  },
});
