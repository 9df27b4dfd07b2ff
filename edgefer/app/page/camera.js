// The camera, and what to tell a person when there is none.

const SIZE = {width: {ideal: 640}, height: {ideal: 480}};
const REASONS = {
  NotAllowedError: 'The camera is not allowed here. Allow it in the browser’s settings for this page, then press “Start camera” again; or open a photo.',
  NotFoundError: 'This device shows no camera to the browser. Connect one, or open a photo.',
  NotReadableError: 'The camera can’t be read: another program may have it open. Close that, or open a photo.',
  OverconstrainedError: 'The chosen camera is not there any more. Choose another, or open a photo.',
};

/** Start a camera (`device`: its id, or '' for the one that looks at the person); returns its stream. Throws an Error with a clear message. */
export async function openCamera(device) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error(
      isSecureContext
        ? 'This browser gives pages no camera. Open a photo instead.'
        : 'Browsers give the camera to pages over HTTPS only: serve this one with “edgefer app serve --lan”, or open a photo.',
    );
  }
  const which = device ? {deviceId: {exact: device}} : {facingMode: 'user'};
  try {
    return await navigator.mediaDevices.getUserMedia({video: {...SIZE, ...which}, audio: false});
  } catch (error) {
    throw new Error(REASONS[error.name] ?? `The camera could not be started (${error.name}: ${error.message}).`);
  }
}

/** The cameras, once one was allowed: [{id, name}]. */
export async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const found = devices.filter(({kind}) => kind === 'videoinput');
  return found.map(({deviceId, label}, i) => ({id: deviceId, name: label || `Camera ${i + 1}`}));
}
