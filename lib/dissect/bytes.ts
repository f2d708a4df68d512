// Reads in network byte order. The caller has compared the position with the end of the captured bytes: the view is on
// more than one packet. One access of 32 bits costs as much as one of 8: V8 checks bounds and detachment for each.

/** @internal */
export function u8(view: DataView, at: number): number {
  return view.getUint8(at)
}

/** @internal */
export function u16(view: DataView, at: number): number {
  return view.getUint16(at)
}

/** @internal */
export function u24(view: DataView, at: number): number {
  return (view.getUint16(at) << 8) | view.getUint8(at + 2)
}

/** As a signed number, which V8 keeps in a register. @internal */
export function i32(view: DataView, at: number): number {
  return view.getInt32(at)
}

/** @internal */
export function u32(view: DataView, at: number): number {
  return view.getUint32(at)
}
