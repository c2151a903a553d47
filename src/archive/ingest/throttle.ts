import { setTimeout as sleep } from 'node:timers/promises';

/** A timer counts in 31 bits. */
const LONGEST_WAIT = 3600_000;

/** Keeps a rate: counts bytes and pauses when they come faster than allowed. */
export class Throttle {
  private readonly bytesPerSecond: number | undefined;
  private readyAt = 0;

  /** @param bytesPerSecond undefined for no limit */
  constructor(bytesPerSecond: number | undefined) {
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Notes that so many bytes have passed. */
  count(bytes: number): void {
    if (this.bytesPerSecond === undefined) return;
    this.readyAt = Math.max(this.readyAt, performance.now()) + (bytes / this.bytesPerSecond) * 1000;
  }

  /** Waits until the rate is kept again; throws the signal's reason when it is aborted meanwhile. */
  async pause(signal: AbortSignal): Promise<void> {
    for (let wait = this.wait(); wait > 0; wait = this.wait()) {
      await sleep(wait, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  private wait(): number {
    return Math.min(Math.ceil(this.readyAt - performance.now()), LONGEST_WAIT);
  }
}
