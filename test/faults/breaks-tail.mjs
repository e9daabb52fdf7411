// Loaded into the daemon to see the tests fail: its ends are resets, which take from the other side what it has not read.
import { Socket } from 'node:net';

Socket.prototype.end = function end() {
  this.resetAndClosing = true;
  return this.destroy();
};
