import { activity } from './activity.js';
import type { Options } from './types.js';

export { activity };
export type * from './types.js';

/** As `activity.init`, in the form of the original's bundle. */
export const init = (options: { activity: Options }): void => activity.init(options.activity);
