// Finds out what this device can draw.

export type Drawing = 'none' | 'software' | 'full';

let answer: Drawing | null = null;

/** `software`: WebGL works without a graphics card, so the map omits decoration. */
export function drawing(): Drawing {
  answer ??= findOut();
  return answer;
}

function findOut(): Drawing {
  const gl = document.createElement('canvas').getContext('webgl2');
  if (!gl) return 'none';
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  // The browser allows only a few contexts per page, so this one is given up.
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name) ? 'software' : 'full';
}
