// All seats of the plan as one instanced mesh: one draw call, and a change of any
// number of seats is one write into one small buffer.

import { Buffer, BufferUsage, Color, Geometry, Mesh, Shader, UniformGroup } from 'pixi.js';
import type { SeatTable } from '../venue/seat-table';
import { digitsTexture } from './digits';
import type { MapColors } from './map-colors';
import { fragmentSource, GLOW_SECONDS, vertexSource } from './seat-shader';

const FIXED_BYTES = 24;
const LIVE_BYTES = 8;
const NEVER = -1000;

type SeatMesh = Mesh<Geometry, Shader>;

export class SeatLayer {
  readonly mesh: SeatMesh;
  private readonly live: Buffer;
  private readonly liveBytes: Uint8Array;
  private readonly liveFloats: Float32Array;
  private readonly look: UniformGroup;
  private lastChange = NEVER;
  private dirty = true;

  constructor(private readonly table: SeatTable) {
    const memory = new ArrayBuffer(Math.max(1, table.count) * LIVE_BYTES);
    this.liveBytes = new Uint8Array(memory);
    this.liveFloats = new Float32Array(memory);
    for (let seat = 0; seat < table.count; seat += 1) this.liveFloats[seat * 2 + 1] = NEVER;
    this.live = new Buffer({
      data: this.liveFloats,
      usage: BufferUsage.VERTEX | BufferUsage.COPY_DST,
    });
    this.look = new UniformGroup({
      uGround: { value: new Float32Array(3), type: 'vec3<f32>' },
      uTaken: { value: new Float32Array(3), type: 'vec3<f32>' },
      uBusy: { value: new Float32Array(3), type: 'vec3<f32>' },
      uInk: { value: new Float32Array(3), type: 'vec3<f32>' },
      uMine: { value: new Float32Array(3), type: 'vec3<f32>' },
      uTime: { value: 0, type: 'f32' },
      uScale: { value: 1, type: 'f32' },
      uFade: { value: 1, type: 'f32' },
      uNumbers: { value: 0, type: 'f32' },
    });
    const digits = digitsTexture();
    const shader = Shader.from({
      gl: { vertex: vertexSource, fragment: fragmentSource, name: 'seats' },
      resources: { look: this.look, uDigits: digits.source, uSampler: digits.source.style },
    });
    this.mesh = new Mesh({ geometry: this.geometry(), shader });
    this.mesh.cullable = false;
  }

  /** Whether a change still glows, so that frames must go on. */
  get glowing(): boolean {
    return this.seconds() - this.lastChange < GLOW_SECONDS;
  }

  setState(seat: number, code: number, glow: boolean): void {
    this.liveBytes[seat * LIVE_BYTES] = code;
    if (glow) {
      this.lastChange = this.seconds();
      this.liveFloats[seat * 2 + 1] = this.lastChange;
    }
    this.dirty = true;
  }

  setMark(seat: number, mark: number, on: boolean): void {
    const at = seat * LIVE_BYTES + 1;
    this.liveBytes[at] = on ? this.liveBytes[at] | mark : this.liveBytes[at] & ~mark;
    this.dirty = true;
  }

  setColors(colors: MapColors): void {
    const uniforms = this.look.uniforms as Record<string, Float32Array>;
    uniforms.uGround.set(rgb(colors.ground));
    uniforms.uTaken.set(rgb(colors.taken));
    uniforms.uBusy.set(rgb(colors.busy));
    uniforms.uInk.set(rgb(colors.ink));
    uniforms.uMine.set(rgb(colors.mine));
  }

  /** Called once a frame, before it is drawn. */
  prepare(pixelsPerMetre: number, fade: number, numbers: number): void {
    this.mesh.visible = fade > 0.01;
    const uniforms = this.look.uniforms as Record<string, number>;
    uniforms.uTime = this.seconds();
    uniforms.uScale = pixelsPerMetre;
    uniforms.uFade = fade;
    uniforms.uNumbers = numbers;
    if (this.dirty && this.mesh.visible) {
      this.live.update();
      this.dirty = false;
    }
  }

  private seconds(): number {
    return performance.now() / 1000;
  }

  private geometry(): Geometry {
    const fixed = this.fixedData();
    const { live } = this;
    const corner = new Float32Array([-1, -1, 1, -1, 1, 1, -1, 1]);
    const instance = { instance: true, stride: FIXED_BYTES };
    const moving = { instance: true, stride: LIVE_BYTES };
    return new Geometry({
      attributes: {
        aCorner: { buffer: corner, format: 'float32x2' },
        aSpot: { buffer: fixed, format: 'float32x4', offset: 0, ...instance },
        aNumber: { buffer: fixed, format: 'float32', offset: 16, ...instance },
        aGrade: { buffer: fixed, format: 'unorm8x4', offset: 20, ...instance },
        aState: { buffer: live, format: 'unorm8x4', offset: 0, ...moving },
        aChanged: { buffer: live, format: 'float32', offset: 4, ...moving },
      },
      indexBuffer: new Uint16Array([0, 1, 2, 0, 2, 3]),
      instanceCount: this.table.count,
    });
  }

  private fixedData(): Buffer {
    const { table } = this;
    const memory = new ArrayBuffer(Math.max(1, table.count) * FIXED_BYTES);
    const floats = new Float32Array(memory);
    const bytes = new Uint8Array(memory);
    const colors = table.grades.map((grade) => new Color(grade.color).toUint8RgbArray());
    for (let seat = 0; seat < table.count; seat += 1) {
      const at = (seat * FIXED_BYTES) / 4;
      floats[at] = table.x[seat];
      floats[at + 1] = table.y[seat];
      floats[at + 2] = table.alongX[seat];
      floats[at + 3] = table.alongY[seat];
      floats[at + 4] = table.number[seat];
      bytes.set(colors[table.row(seat).grade], seat * FIXED_BYTES + 20);
    }
    return new Buffer({ data: floats, usage: BufferUsage.VERTEX });
  }
}

const rgb = (color: string): Float32Array => new Color(color).toRgbArray() as unknown as Float32Array;
