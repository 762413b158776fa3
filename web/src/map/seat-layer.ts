// All seats of the plan: a mesh for each block, and the shader that they share. An area without seats
// has no mesh.

import { Color, Container, Shader, UniformGroup } from 'pixi.js';
import type { Block, Bounds, SeatTable } from '../venue/seat-table';
import type { Camera } from './camera';
import { rgb } from './flat-mesh';
import type { MapColors } from './map-colors';
import { SeatMesh, type SeatLook } from './seat-mesh';
import { seatNames } from './seat-names';
import { fragmentSource, GLOW_SECONDS, vertexSource } from './seat-shader';

interface BlockOfSeats {
  block: Block;
  mesh: SeatMesh;
  box: Bounds;
}

export class SeatLayer {
  readonly root = new Container();
  private readonly entries: BlockOfSeats[] = [];
  /** The mesh of each block. */
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
  private glowUntil = 0;

  constructor(private readonly table: SeatTable) {
    const { glyphs, names, glyphLines, codes } = seatNames(table.names);
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
    const look: SeatLook = { shader, gradeColors: new Uint8Array(gradeColors), nameCodes: codes };
    for (const block of table.blocks) {
      if (block.isArea) continue;
      const mesh = new SeatMesh(table, block, look);
      this.meshes[block.index] = mesh;
      this.entries.push({ block, mesh, box: table.boxOf(block) });
      this.root.addChild(mesh.mesh);
    }
  }

  /** Whether a change still glows, so that more frames are needed. */
  get glowing(): boolean {
    return this.seconds() < this.glowUntil;
  }

  setState(seat: number, code: number, glow: boolean): void {
    const now = this.seconds();
    if (glow) this.glowUntil = now + GLOW_SECONDS;
    this.meshes[this.table.row(seat).block]?.setState(seat, code, glow ? now : null);
  }

  setMark(seat: number, mark: number, on: boolean): void {
    this.meshes[this.table.row(seat).block]?.setMark(seat, mark, on);
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
    for (const { block, mesh, box } of this.entries) {
      mesh.mesh.visible = block.floor === floor && camera.sees(box);
      if (mesh.mesh.visible) mesh.flush();
    }
  }

  /** Seconds since the map was created, because larger numbers lose precision in a shader's float. */
  private seconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }
}
