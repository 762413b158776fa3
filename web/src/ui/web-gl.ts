let answer: boolean | null = null;

/** Whether this device can draw the map: WebGL 2, which instancing needs. */
export function canDrawMap(): boolean {
  answer ??= document.createElement('canvas').getContext('webgl2') !== null;
  return answer;
}
