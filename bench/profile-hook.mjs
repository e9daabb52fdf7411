// Loaded into the daemon by `npm run bench -- --profile`: a first SIGUSR2 starts V8's CPU profiler, a second one stops it
// and writes what it saw to the file that WEBSOCKSY_BENCH_PROFILE names. In between it adds nothing but the samples.
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';

/** Microseconds between samples: some thousand in a second, which costs the daemon a few per cent. */
const INTERVAL = 250;

const file = process.env.WEBSOCKSY_BENCH_PROFILE;
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: INTERVAL });

process.once('SIGUSR2', () => {
  session.post('Profiler.start');
  process.once('SIGUSR2', () =>
    session.post('Profiler.stop', (error, result) => {
      writeFileSync(`${file}.part`, JSON.stringify(error ?? result.profile));
      renameSync(`${file}.part`, file);
    }),
  );
});
