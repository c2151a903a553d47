import { describe, expect, it } from 'vitest';
import { isPseudo, mountOf, mountTable } from '../../src/platform/index.js';
import { parseMountCommand, parseMountInfo } from '../../src/platform/mounts.js';

const TABLE = parseMountInfo(
  [
    '22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw',
    '23 22 0:21 / /proc rw,nosuid shared:5 master:2 - proc proc rw',
    '24 22 0:30 /@home /home ro,noatime - btrfs /dev/sda2 rw,subvol=/@home',
    '25 24 8:1 / /home/x/my\\040disk\\011\\134\\012\xff rw - vfat /dev/sdb1 rw',
    '26 22 0:40 / /mnt/a/b rw - tmpfs tmpfs rw',
    '27 22 0:41 / /mnt/a rw - nfs4 server:/x\\040y ro,vers=4.2',
    '28 27 0:42 / /mnt/a rw - overlay overlay rw',
    '29 22 0:43 / /homes rw - fuse.sshfs u@h: rw',
    'broken line',
    '',
  ].join('\n'),
);

describe('mounts', () => {
  it('reads the table', () => {
    expect(TABLE).toHaveLength(8);
    expect(TABLE[0]).toEqual({
      id: 22,
      parent: 1,
      major: 254,
      minor: 1,
      root: '/',
      path: '/',
      type: 'ext4',
      source: '/dev/root',
      readOnly: false,
    });
    expect(TABLE[2]).toMatchObject({ root: '/@home', path: '/home', readOnly: true });
    expect(TABLE[3].path).toBe('/home/x/my disk\t\\\n\xff');
    expect(TABLE[5]).toMatchObject({ type: 'nfs4', source: 'server:/x y', readOnly: true });
  });

  it.each([
    ['/', 22],
    ['/etc', 22],
    ['/home', 24],
    ['/home/', 24],
    ['/homer', 22],
    ['/homes/q', 29],
    ['/home/x/my disk', 24],
    ['/home/x/my disk\t\\\n\xff/f', 25],
    ['/proc/1/fd', 23],
    ['/mnt', 22],
  ])('finds the mount of %j', (path, id) => {
    expect(mountOf(path, TABLE)?.id).toBe(id);
  });

  it('does not find a mount that a later one covers', () => {
    expect(mountOf('/mnt/a/b/c', TABLE)?.id).toBe(28);
    expect(mountOf('/mnt/a', TABLE)?.id).toBe(28);
  });

  it('knows what is an interface to the kernel', () => {
    for (const type of ['proc', 'sysfs', 'devtmpfs', 'devpts', 'cgroup2', 'autofs', 'nsfs']) {
      expect(isPseudo(type)).toBe(true);
    }
    for (const type of ['tmpfs', 'ramfs', 'overlay', 'ext4', 'fuse.sshfs', 'nfs4']) expect(isPseudo(type)).toBe(false);
  });

  it('reads what macOS prints', () => {
    const table = parseMountCommand(
      [
        '/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)',
        'devfs on /dev (devfs, local, nobrowse)',
        '/dev/disk4s1 on /Volumes/My Disk on sale (hfs, local, nodev)',
      ].join('\n'),
    );
    expect(table.map((m) => [m.path, m.type, m.readOnly])).toEqual([
      ['/', 'apfs', true],
      ['/dev', 'devfs', false],
      ['/Volumes/My Disk on sale', 'hfs', false],
    ]);
    expect(mountOf('/Volumes/My Disk on sale/x', table)?.type).toBe('hfs');
  });

  it.runIf(process.platform === 'linux')('sees this machine', () => {
    const table = mountTable();
    expect(table.length).toBeGreaterThan(1);
    expect(mountOf('/proc/self/status', table)?.type).toBe('proc');
    expect(mountOf('/', table)).not.toBeNull();
  });
});
