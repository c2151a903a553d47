import type { ByteString } from '../../bytes.js';
import type { ActiveSegment, Catalog, SourceId } from '../../catalog/index.js';
import { openSegment, type Segment } from '../../format/segment.js';

/** Walks the active versions of a source in path-key order, segment by segment. */
export class ActiveCursor {
  /** The row and decoded segment in which the cursor stands, and its place there. */
  row: ActiveSegment | undefined;
  segment: Segment | undefined;
  position = 0;
  private readonly catalog: Catalog;
  private readonly source: SourceId | undefined;
  private page: ActiveSegment[] = [];
  private pagePosition = 0;
  private lastKey: ByteString | undefined;

  /** @param source undefined: there are no active versions */
  constructor(catalog: Catalog, source: SourceId | undefined) {
    this.catalog = catalog;
    this.source = source;
    this.nextSegment();
  }

  /** Key of the version under the cursor; undefined at the end. */
  get key(): ByteString | undefined {
    return this.segment?.keys[this.position];
  }

  /** Goes to the next version. */
  next(): void {
    this.position++;
    if (this.segment !== undefined && this.position >= this.segment.length) this.nextSegment();
  }

  private nextSegment(): void {
    do {
      if (this.pagePosition >= this.page.length) this.readPage();
      this.row = this.page[this.pagePosition++];
      this.segment = this.row === undefined ? undefined : openSegment(this.row.bytes);
      this.position = 0;
    } while (this.segment !== undefined && this.segment.length === 0);
  }

  private readPage(): void {
    this.page = this.source === undefined ? [] : this.catalog.active.page(this.source, this.lastKey, 256);
    this.pagePosition = 0;
    this.lastKey = this.page.at(-1)?.firstKey;
  }
}
