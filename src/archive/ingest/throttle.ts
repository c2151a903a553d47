/** Keeps a rate: counts bytes and pauses when they come faster than allowed. */
export class Throttle {
  private readonly bytesPerSecond: number;
  private readyAt = 0;

  /** @param bytesPerSecond 0 for no limit */
  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Notes that so many bytes have passed. */
  count(bytes: number): void {
    if (this.bytesPerSecond === 0) return;
    this.readyAt = Math.max(this.readyAt, performance.now()) + (bytes / this.bytesPerSecond) * 1000;
  }

  /** Waits until the rate is kept again. */
  async pause(): Promise<void> {
    const wait = this.readyAt - performance.now();
    if (this.bytesPerSecond > 0 && wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
