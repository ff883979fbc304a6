/**
 * Where a file is made: the browser's private file system, so that an hour of sound is never in memory. Where there is
 * none (pages that are not served over HTTPS, private windows of some browsers), in memory, up to a limit.
 */

import { ExportError } from "./errors.js";

const FOLDER = "exports";
/** The largest file that is made in memory. */
export const MOST_BYTES = 400e6;
const PART = 1024 * 1024;

/**
 * @typedef {object} Disk
 * @property {(bytes: Uint8Array, at: number) => void} write  raises QuotaExceededError and ExportError
 * @property {(type: string, filename: string) => Promise<File>} finish
 * @property {() => Promise<void>} remove
 */

/**
 * Return the folder of exports, or null when this browser has none.
 * @returns {Promise<FileSystemDirectoryHandle | null>}
 */
export async function exportsFolder() {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(FOLDER, { create: true });
  } catch {
    return null;
  }
}

/**
 * Begin a file.
 * @param {string} name in the folder of exports
 * @param {number} bytes how large it will be, about
 * @returns {Promise<Disk>} raises ExportError when there is no room for it
 */
export async function createFile(name, bytes) {
  const folder = await exportsFolder();
  const disk = folder && (await FileOnDisk.create(folder, name).catch(() => null));
  if (!disk) {
    if (bytes > MOST_BYTES) throw new ExportError("memory", `${Math.round(bytes / 1e6)} MB do not go into memory`);
    return new FileInMemory();
  }
  const { quota, usage } = await navigator.storage.estimate();
  if (quota !== undefined && usage !== undefined && quota - usage < bytes) {
    await disk.remove();
    throw new ExportError("space", `${Math.round(bytes / 1e6)} MB are needed`);
  }
  return disk;
}

/** A file in the private file system. @implements {Disk} */
class FileOnDisk {
  /**
   * @param {FileSystemDirectoryHandle} folder
   * @param {string} name
   */
  static async create(folder, name) {
    const handle = await folder.getFileHandle(name, { create: true });
    return new FileOnDisk(folder, handle, await handle.createSyncAccessHandle());
  }

  /**
   * @param {FileSystemDirectoryHandle} folder
   * @param {FileSystemFileHandle} handle
   * @param {FileSystemSyncAccessHandle} access
   */
  constructor(folder, handle, access) {
    this.folder = folder;
    this.handle = handle;
    this.access = access;
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} at
   */
  write(bytes, at) {
    const written = this.access.write(/** @type {Uint8Array<ArrayBuffer>} */ (bytes), { at });
    if (written < bytes.length) throw new ExportError("space");
  }

  /**
   * @param {string} type
   * @param {string} filename
   */
  async finish(type, filename) {
    this.access.flush();
    this.access.close();
    return new File([await this.handle.getFile()], filename, { type });
  }

  async remove() {
    this.access.close();
    await this.folder.removeEntry(this.handle.name);
  }
}

/** A file in memory. @implements {Disk} */
class FileInMemory {
  constructor() {
    /** @type {Uint8Array<ArrayBuffer>[]} */
    this.parts = [];
    this.size = 0;
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} at
   */
  write(bytes, at) {
    this.size = Math.max(this.size, at + bytes.length);
    if (this.size > MOST_BYTES) throw new ExportError("memory");
    while (this.parts.length * PART < this.size) this.parts.push(new Uint8Array(PART));
    for (let done = 0; done < bytes.length; ) {
      const place = (at + done) % PART;
      const count = Math.min(bytes.length - done, PART - place);
      this.parts[Math.floor((at + done) / PART)].set(bytes.subarray(done, done + count), place);
      done += count;
    }
  }

  /**
   * @param {string} type
   * @param {string} filename
   */
  async finish(type, filename) {
    const last = this.parts.length - 1;
    const parts = this.parts.map((part, i) => (i === last ? part.subarray(0, this.size - last * PART) : part));
    this.parts = [];
    return new File(parts, filename, { type });
  }

  async remove() {
    this.parts = [];
  }
}
