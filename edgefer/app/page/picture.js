// A picture's pixels as edgefer's Python reads them: where it is transparent, the colours that the file has there.

import {withoutAlpha} from './preprocess.js';

/** A file's picture, turned as its EXIF data says. */
export async function decoded(blob) {
  return createImageBitmap(blob, {imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none'});
}

/** Draw a camera's picture at its own size and return its pixels; view: a canvas's context. */
export function drawn(view, source, width, height) {
  return withoutAlpha(draw(view, source, width, height));
}

/** The same of a decoded file; throws an Error where it is transparent and this browser does not tell what is there. */
export function drawnOpaque(view, bitmap) {
  const image = draw(view, bitmap, bitmap.width, bitmap.height);
  if (!isTransparent(image.data)) return withoutAlpha(image);
  const opaque = new ImageData(storedColours(bitmap), bitmap.width, bitmap.height);
  view.putImageData(opaque, 0, 0);
  return withoutAlpha(opaque);
}

function draw(view, source, width, height) {
  Object.assign(view.canvas, {width, height});
  view.drawImage(source, 0, 0, width, height);
  return view.getImageData(0, 0, width, height);
}

function isTransparent(rgba) {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 255) return true;
  return false;
}

/** Red, green and blue as they are stored, made opaque: a canvas has them multiplied by alpha, a texture has not. */
function storedColours(bitmap) {
  const gl = document.createElement('canvas').getContext('webgl');
  if (!gl) throw new Error('parts of it are transparent, and this browser has no WebGL, which tells the colours there');
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
  const rgba = new Uint8Array(bitmap.width * bitmap.height * 4);
  gl.readPixels(0, 0, bitmap.width, bitmap.height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  const error = gl.getError();
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  if (error) throw new Error(`parts of it are transparent, and WebGL does not tell the colours there (error ${error})`);
  for (let i = 3; i < rgba.length; i += 4) rgba[i] = 255;
  return new Uint8ClampedArray(rgba.buffer);
}
