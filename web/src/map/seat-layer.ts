// All seats of the plan: a mesh for each block, and the shader that they share.

import { Color, Container, Shader, UniformGroup } from 'pixi.js';
import type { Bounds, SeatTable } from '../venue/seat-table';
import type { Camera } from './camera';
import { digitsTexture } from './digits';
import type { MapColors } from './map-colors';
import { SeatMesh } from './seat-mesh';
import { fragmentSource, GLOW_SECONDS, vertexSource } from './seat-shader';

export class SeatLayer {
  readonly root = new Container();
  private readonly meshes: SeatMesh[];
  private readonly boxes: Bounds[];
  private readonly look = new UniformGroup({
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
  private readonly startedAt = performance.now();
  private glowUntil = 0;

  constructor(private readonly table: SeatTable) {
    const digits = digitsTexture();
    const shader = Shader.from({
      gl: { vertex: vertexSource, fragment: fragmentSource, name: 'seats' },
      resources: { look: this.look, uDigits: digits.source, uSampler: digits.source.style },
    });
    this.meshes = table.blocks.map((block) => new SeatMesh(table, block, shader));
    this.boxes = table.blocks.map((block) => table.boxOf(block));
    this.root.addChild(...this.meshes.map((entry) => entry.mesh));
  }

  /** Whether a change still glows, so that more frames are needed. */
  get glowing(): boolean {
    return this.seconds() < this.glowUntil;
  }

  setState(seat: number, code: number, glow: boolean): void {
    const now = this.seconds();
    if (glow) this.glowUntil = now + GLOW_SECONDS;
    this.meshes[this.table.row(seat).block].setState(seat, code, glow ? now : null);
  }

  setMark(seat: number, mark: number, on: boolean): void {
    this.meshes[this.table.row(seat).block].setMark(seat, mark, on);
  }

  setColors(colors: MapColors): void {
    const { uniforms } = this.look;
    uniforms.uGround.set(rgb(colors.ground));
    uniforms.uTaken.set(rgb(colors.taken));
    uniforms.uBusy.set(rgb(colors.busy));
    uniforms.uInk.set(rgb(colors.ink));
    uniforms.uMine.set(rgb(colors.mine));
  }

  /** Called before each frame. */
  prepare(camera: Camera, fade: number, numbers: number): void {
    this.root.visible = fade > 0.01;
    if (!this.root.visible) return;
    const { uniforms } = this.look;
    uniforms.uTime = this.seconds();
    uniforms.uScale = camera.scale;
    uniforms.uFade = fade;
    uniforms.uNumbers = numbers;
    for (const [index, entry] of this.meshes.entries()) {
      entry.mesh.visible = camera.sees(this.boxes[index]);
      if (entry.mesh.visible) entry.flush();
    }
  }

  /** Seconds since the map was created, because larger numbers lose precision in a shader's float. */
  private seconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }
}

const rgb = (color: string): [number, number, number] => {
  const [red, green, blue] = new Color(color).toRgbArray();
  return [red, green, blue];
};
