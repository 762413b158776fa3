// Shapes of one colour each, in one draw call, with the simplest possible shader. They cover the
// whole screen, so each operation per pixel matters on a weak machine.

import { Buffer, BufferUsage, Color, earcut, Geometry, Mesh, Shader } from 'pixi.js';
import type { PlanPoint } from '../api/types';

const vertex = /* glsl */ `#version 300 es
in vec2 aPosition;
in vec4 aColor;
uniform mat3 uProjectionMatrix;
uniform mat3 uWorldTransformMatrix;
uniform mat3 uTransformMatrix;
out vec4 vColor;
void main() {
  mat3 view = uProjectionMatrix * uWorldTransformMatrix * uTransformMatrix;
  gl_Position = vec4((view * vec3(aPosition, 1.0)).xy, 0.0, 1.0);
  vColor = aColor;
}
`;

const fragment = /* glsl */ `#version 300 es
in vec4 vColor;
out vec4 finalColor;
void main() { finalColor = vColor; }
`;

export type Rgb = readonly [number, number, number];

export function rgb(color: string): Rgb {
  const [red, green, blue] = new Color(color).toRgbArray();
  return [red, green, blue];
}

export class FlatMesh {
  readonly mesh: Mesh<Geometry, Shader>;
  private readonly colors: Buffer;
  private readonly bytes: Uint8Array;
  /** First vertex of each shape, and at the end the number of vertices. */
  private readonly starts: number[] = [0];
  private dirty = true;

  /** A shape consists of one or several polygons. */
  constructor(shapes: PlanPoint[][][]) {
    const indices: number[] = [];
    let start = 0;
    for (const polygons of shapes) {
      for (const polygon of polygons) {
        for (const index of earcut(polygon.flat())) indices.push(start + index);
        start += polygon.length;
      }
      this.starts.push(start);
    }
    const vertices = Math.max(1, this.starts[this.starts.length - 1]);
    const memory = new ArrayBuffer(vertices * 4);
    this.bytes = new Uint8Array(memory).fill(255);
    this.colors = new Buffer({
      data: new Float32Array(memory),
      usage: BufferUsage.VERTEX | BufferUsage.COPY_DST,
    });
    const geometry = new Geometry({
      attributes: {
        aPosition: { buffer: new Float32Array(shapes.flat(3)), format: 'float32x2' },
        aColor: { buffer: this.colors, format: 'unorm8x4' },
      },
      indexBuffer: new Uint32Array(indices),
    });
    const shader = Shader.from({ gl: { vertex, fragment, name: 'flat' }, resources: {} });
    this.mesh = new Mesh({ geometry, shader });
    this.mesh.visible = indices.length > 0;
  }

  setColor(shape: number, color: Rgb): void {
    for (let at = this.starts[shape]; at < this.starts[shape + 1]; at += 1) {
      for (let part = 0; part < 3; part += 1) this.bytes[at * 4 + part] = Math.round(color[part] * 255);
    }
    this.dirty = true;
  }

  flush(): void {
    if (!this.dirty) return;
    this.colors.update();
    this.dirty = false;
  }
}
