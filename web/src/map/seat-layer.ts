// All seats of the plan: a mesh for each block, and the shader that they share. A mesh is made when its
// block is first on the screen, because most fans look at a small part of a large plan. An area without
// seats has no mesh.

import { Color, Container, Shader, UniformGroup } from 'pixi.js';
import type { Block, SeatTable } from '../venue/seat-table';
import type { Camera } from './camera';
import { rgb } from './flat-mesh';
import type { MapColors } from './map-colors';
import { SeatMesh, type SeatLook } from './seat-mesh';
import { seatNames } from './seat-names';
import { fragmentSource, GLOW_SECONDS, vertexSource } from './seat-shader';

export class SeatLayer {
  readonly root = new Container();
  /** The mesh of each block that was on the screen. */
  private readonly meshes: (SeatMesh | undefined)[] = [];
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
    uGlyphLines: { value: 1, type: 'f32' },
  });
  private readonly startedAt = performance.now();
  private readonly shared: SeatLook;
  private readonly blocks: readonly Block[];
  private glowUntil = 0;

  /** `codes`: the state of each seat, which others change. */
  constructor(
    private readonly table: SeatTable,
    codes: Uint8Array,
  ) {
    const { glyphs, names, glyphLines, codes: codesOfNames } = seatNames(table.names);
    this.look.uniforms.uGlyphLines = glyphLines;
    const shader = Shader.from({
      gl: { vertex: vertexSource, fragment: fragmentSource, name: 'seats' },
      resources: {
        look: this.look,
        uGlyphs: glyphs,
        uGlyphsSampler: glyphs.style,
        uNames: names,
        uNamesSampler: names.style,
      },
    });
    const gradeColors = table.grades.flatMap(({ color }) => [...new Color(color).toUint8RgbArray()]);
    this.shared = {
      shader,
      gradeColors: new Uint8Array(gradeColors),
      nameCodes: codesOfNames,
      codes,
      marks: new Uint8Array(table.count),
    };
    this.blocks = table.blocks.filter((block) => !block.isArea);
  }

  /** Whether a change still glows, so that more frames are needed. */
  get glowing(): boolean {
    return this.seconds() < this.glowUntil;
  }

  /** Called when the states of seats have changed. */
  changed(seats: readonly number[], glow: boolean): void {
    const now = this.seconds();
    if (glow) this.glowUntil = now + GLOW_SECONDS;
    const at = glow ? now : null;
    for (const seat of seats) this.meshes[this.table.blockOf(seat)]?.take(seat, at);
  }

  setMark(seat: number, mark: number, on: boolean): void {
    const { marks } = this.shared;
    const before = marks[seat];
    marks[seat] = on ? before | mark : before & ~mark;
    if (marks[seat] !== before) this.meshes[this.table.blockOf(seat)]?.take(seat, null);
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
  prepare(camera: Camera, floor: number, fade: number, numbers: number): void {
    this.root.visible = fade > 0.01;
    if (!this.root.visible) return;
    const { uniforms } = this.look;
    uniforms.uTime = this.seconds();
    uniforms.uScale = camera.scale;
    uniforms.uFade = fade;
    uniforms.uNumbers = numbers;
    for (const block of this.blocks) {
      const seen = block.floor === floor && camera.sees(this.table.boxOf(block));
      const mesh = this.meshes[block.index] ?? (seen ? this.make(block) : undefined);
      if (!mesh) continue;
      mesh.mesh.visible = seen;
      if (seen) mesh.flush();
    }
  }

  private make(block: Block): SeatMesh {
    const made = new SeatMesh(this.table, block, this.shared);
    this.meshes[block.index] = made;
    this.root.addChild(made.mesh);
    return made;
  }

  /** Seconds since the map was created, because larger numbers lose precision in a shader's float. */
  private seconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }
}
