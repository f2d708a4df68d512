// JavaScript values for the binding: a thin layer on node-addon-api.
//
// Any call into the engine may fail: an exception is pending, the worker is being terminated, memory is exhausted. None
// of these ends the process. A value that could not be made is empty. Reading an empty value, or one of another type,
// returns zero, false, "" or no bytes; setting or calling it has no effect. So a function may run to its end in such a
// state: JavaScript sees the exception, or runs no more. Two rules follow:
//  - code that acquires a resource (a thread, a descriptor) checks Env::canRun() after it has read its arguments;
//  - code that gives memory to a value (External, ObjectWrap, Function) keeps or frees it if the value is empty.
//
// node-addon-api's own calls report a failure as an error object. In these states none can be made, and without C++
// exceptions it then ends the process (Error::New in napi-inl.h). So this layer uses only its handles and its
// registration of the module, hides every call that can fail, and keeps the names.
#pragma once

#include "binding/util/js/bytes.h"
#include "binding/util/js/functions.h"
#include "binding/util/js/object_wrap.h"
#include "binding/util/js/objects.h"
#include "binding/util/js/primitives.h"
#include "binding/util/js/references.h"
#include "binding/util/js/value.h"
