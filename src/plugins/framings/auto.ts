/** `auto`: all that one read brought is one message, text if it is valid UTF-8, else binary. The default, as in the C daemon. */
import { defineFraming } from '../api.ts';
import { refuseConfig, takeAll } from './whole-read.ts';

export default defineFraming({
  apiVersion: 1,
  kind: 'framing',
  name: 'auto',
  configure(config) {
    refuseConfig(config);
    return () => ({ type: 'auto', next: takeAll });
  },
});
