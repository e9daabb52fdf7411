/** `binary`: all that one read brought is one binary message. For protocols that make their own sense of a stream: VNC, MQTT. */
import { defineFraming } from '../api.ts';
import { refuseConfig, takeAll } from './whole-read.ts';

export default defineFraming({
  apiVersion: 1,
  kind: 'framing',
  name: 'binary',
  configure(config) {
    refuseConfig(config);
    return () => ({ type: 'binary', next: takeAll });
  },
});
