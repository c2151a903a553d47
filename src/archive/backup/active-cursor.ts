import type { ByteString } from '../../bytes.js';
import type { ActiveSegment, Catalog, SourceId } from '../../catalog/index.js';
import { openSegment, SegmentWalk } from '../../format/segment.js';

/** Walks the active versions of a source in path-key order, segment by segment. */
export class ActiveCursor {
  /** The row in whose segment the cursor stands. */
  row: ActiveSegment | undefined;
  /** Stands on the version under the cursor; undefined at the end. */
  version: SegmentWalk | undefined;
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
    return this.version?.key;
  }

  /** Goes to the next version. */
  next(): void {
    const { version } = this;
    if (version === undefined) return;
    if (version.position + 1 < version.segment.length) version.next();
    else this.nextSegment();
  }

  private nextSegment(): void {
    do {
      if (this.pagePosition >= this.page.length) this.readPage();
      this.row = this.page[this.pagePosition++];
      this.version = this.row === undefined ? undefined : new SegmentWalk(openSegment(this.row.bytes));
    } while (this.version?.segment.length === 0);
    this.version?.next();
  }

  private readPage(): void {
    this.page = this.source === undefined ? [] : this.catalog.active.page(this.source, this.lastKey, 256);
    this.pagePosition = 0;
    this.lastKey = this.page.at(-1)?.firstKey;
  }
}
