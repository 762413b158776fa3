// The seats of a block as one mesh. Blocks that are not visible are not drawn. A change of any
// number of seats of a block is one write into one small buffer.
//
// A seat is four vertices and not an instance, because drivers (above all those in software) have a
// cost per instance, and a quad is too small to be worth it.

import { Buffer, BufferUsage, Geometry, Mesh, type Shader } from 'pixi.js';
import type { Block, SeatTable } from '../venue/seat-table';

const FIXED_BYTES = 28;
const LIVE_BYTES = 8;
const CORNERS = [-127, -127, 127, -127, 127, 127, -127, 127];
const NEVER = -1000;

/** What all meshes share. */
export interface SeatLook {
  shader: Shader;
  /** Colours of the grades as bytes: red, green, blue. */
  gradeColors: Uint8Array;
  /** Codes of the names for the shader. */
  nameCodes: Float32Array;
  /** State and marks of each seat of the plan. */
  codes: Uint8Array;
  marks: Uint8Array;
}

export class SeatMesh {
  readonly mesh: Mesh<Geometry, Shader>;
  private readonly live: Buffer;
  private readonly bytes: Uint8Array;
  private readonly floats: Float32Array;
  private dirty = true;

  constructor(
    table: SeatTable,
    readonly block: Block,
    private readonly look: SeatLook,
  ) {
    const memory = new ArrayBuffer(block.seats * 4 * LIVE_BYTES);
    this.bytes = new Uint8Array(memory);
    this.floats = new Float32Array(memory);
    for (let vertex = 0; vertex < block.seats * 4; vertex += 1) {
      const seat = block.firstSeat + (vertex >> 2);
      this.floats[vertex * 2 + 1] = NEVER;
      this.bytes[vertex * LIVE_BYTES] = look.codes[seat];
      this.bytes[vertex * LIVE_BYTES + 1] = look.marks[seat];
      this.bytes[vertex * LIVE_BYTES + 2] = table.attributes[seat];
    }
    this.live = new Buffer({
      data: this.floats,
      usage: BufferUsage.VERTEX | BufferUsage.COPY_DST,
    });
    const fixed = { buffer: fixedData(table, block, look), stride: FIXED_BYTES };
    const live = { buffer: this.live, stride: LIVE_BYTES };
    const geometry = new Geometry({
      attributes: {
        aSpot: { ...fixed, format: 'float32x4', offset: 0 },
        aName: { ...fixed, format: 'float32', offset: 16 },
        aGrade: { ...fixed, format: 'unorm8x4', offset: 20 },
        aCorner: { ...fixed, format: 'snorm8x4', offset: 24 },
        aState: { ...live, format: 'unorm8x4', offset: 0 },
        aChanged: { ...live, format: 'float32', offset: 4 },
      },
      indexBuffer: quadIndices(block.seats),
    });
    this.mesh = new Mesh({ geometry, shader: look.shader });
  }

  /** Takes over state and marks of a seat. `changedAt`: when its state changed, if that should glow. */
  take(seat: number, changedAt: number | null): void {
    const first = (seat - this.block.firstSeat) * 4;
    for (let vertex = first; vertex < first + 4; vertex += 1) {
      this.bytes[vertex * LIVE_BYTES] = this.look.codes[seat];
      this.bytes[vertex * LIVE_BYTES + 1] = this.look.marks[seat];
      if (changedAt !== null) this.floats[vertex * 2 + 1] = changedAt;
    }
    this.dirty = true;
  }

  /** Sends changed data to the graphics card. */
  flush(): void {
    if (!this.dirty) return;
    this.live.update();
    this.dirty = false;
  }
}

function fixedData(table: SeatTable, block: Block, look: SeatLook): Buffer {
  const memory = new ArrayBuffer(block.seats * 4 * FIXED_BYTES);
  const floats = new Float32Array(memory);
  const bytes = new Uint8Array(memory);
  const signed = new Int8Array(memory);
  for (let offset = 0; offset < block.seats; offset += 1) {
    const seat = block.firstSeat + offset;
    const color = table.run(seat).grade * 3;
    const name = look.nameCodes[table.nameOf[seat]];
    for (let corner = 0; corner < 4; corner += 1) {
      const at = (offset * 4 + corner) * FIXED_BYTES;
      floats[at / 4] = table.x[seat];
      floats[at / 4 + 1] = table.y[seat];
      floats[at / 4 + 2] = table.alongX[seat];
      floats[at / 4 + 3] = table.alongY[seat];
      floats[at / 4 + 4] = name;
      bytes[at + 20] = look.gradeColors[color];
      bytes[at + 21] = look.gradeColors[color + 1];
      bytes[at + 22] = look.gradeColors[color + 2];
      signed[at + 24] = CORNERS[corner * 2];
      signed[at + 25] = CORNERS[corner * 2 + 1];
    }
  }
  return new Buffer({ data: floats, usage: BufferUsage.VERTEX });
}

function quadIndices(quads: number): Uint32Array {
  const indices = new Uint32Array(quads * 6);
  for (let quad = 0; quad < quads; quad += 1) {
    const first = quad * 4;
    indices.set([first, first + 1, first + 2, first, first + 2, first + 3], quad * 6);
  }
  return indices;
}
