/**
 * A log that may be a stranger's, as one that never throws: what it is told is worth less than a connection.
 */
import { LOG_LEVELS, type LogFields, type Logger, type LogLevel, type LogMethod } from './logger.ts';

export interface GuardedLogger extends Logger {
  /** Lines for which it threw, or its promise was rejected. */
  readonly failures: number;
}

/**
 * Levels that are not there stay absent; which these are is asked once.
 *
 * The first line that it takes after some that it did not is preceded by a warning with their number.
 */
export function guarded(log: Logger): GuardedLogger {
  let failures = 0;
  let untold = 0;
  const onFailure = () => {
    failures += 1;
    untold += 1;
  };
  /** `this` stays the stranger's object. What it returns is nothing, or the promise of an async function. */
  const call = (method: LogMethod, event: string, fields: LogFields | undefined) => {
    try {
      const result: unknown = method.call(log, event, fields);
      if (result !== undefined) Promise.resolve(result).then(undefined, onFailure);
      return true;
    } catch {
      onFailure();
      return false;
    }
  };
  const warn = methodOf(log, 'warn');
  const guard =
    (method: LogMethod): LogMethod =>
    (event, fields) => {
      const lines = untold;
      if (call(method, event, fields) && lines > 0 && warn !== undefined) {
        untold -= lines;
        call(warn, 'log lines lost, for the logger threw', { lines });
      }
    };
  const guardedLog = { error: guard(methodOf(log, 'error') ?? (() => {})) };
  for (const level of LOG_LEVELS) {
    const method = level === 'error' ? undefined : methodOf(log, level);
    if (method !== undefined) Object.assign(guardedLog, { [level]: guard(method) });
  }
  Object.defineProperty(guardedLog, 'failures', { get: () => failures });
  return Object.freeze(guardedLog) as GuardedLogger;
}

function methodOf(log: Logger, level: LogLevel): LogMethod | undefined {
  try {
    const method = log[level];
    return typeof method === 'function' ? method : undefined;
  } catch {
    return undefined;
  }
}
