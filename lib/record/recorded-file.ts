import type { CompleteFile } from '../savefile/complete-file.js'

/** A complete file of a {@link Recording}. In JSON its times are strings of decimal digits. */
export interface RecordedFile extends CompleteFile {}
