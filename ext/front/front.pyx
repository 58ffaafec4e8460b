# cython: language_level=3, boundscheck=False, wraparound=False
# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""Run the fast front in a thread, and pass on what it hands over."""
# Design: the loop is in C and never takes the interpreter lock. Its own sources are beside this
# file; front.h is what they promise. This module gives Python the ends of two mailboxes: events
# with an eventfd that an event loop can wait for, and replies. Answerers are capsules: that of an
# account is kept alive until the loop has let it go.
# Specification: docs/front.md, section 5.

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t

import os

cdef extern from "../answer.h":
    const char* TC_ANSWERER_CAPSULE
    ctypedef struct tc_bytes:
        unsigned char* data
        size_t size
    ctypedef struct tc_answerer:
        pass

cdef extern from "front.h":
    enum:
        TC_DIGEST_SIZE
        TC_HOT_METHOD_COUNT
        TC_METHOD_COUNT
        TC_CODE_COUNT
        TC_BUCKET_COUNT
    ctypedef struct tc_front_settings:
        size_t connection_count_max
        size_t stream_count_max
        size_t message_bytes_max
        size_t inline_bytes_max
        size_t metadata_bytes_max
        size_t held_bytes_max
        size_t handed_count_max
        int64_t first_ns
        int64_t request_ns
        int64_t idle_ns
        int64_t age_ns
        int64_t stall_ns
        int64_t ping_ns
        uint64_t sample_every
        int64_t fixed_now_ns
    ctypedef struct tc_front:
        pass
    ctypedef struct tc_event:
        tc_event* next
        int kind
        uint64_t call_id
        int method
        int is_stream
        int packing
        int authorization_count
        int64_t timeout_ns
        int code
        int64_t elapsed_ns
        tc_bytes message
        tc_bytes authorization
        tc_bytes request_id
        char[64] peer
    ctypedef struct tc_front_counts:
        uint64_t[3][17] handled
        uint64_t[3][15] buckets
        uint64_t[3] elapsed_ns
        uint64_t[5] handed_over
        uint64_t stream_messages
        uint64_t refused
        uint64_t connections_total
        uint64_t connections_refused
        uint64_t calmed
        uint64_t connections
        uint64_t streams
        uint64_t held_bytes
    const int64_t* TC_BUCKET_BOUNDS_NS
    tc_front* tc_front_new(const tc_front_settings* settings) noexcept nogil
    void tc_front_free(tc_front* front) noexcept nogil
    int tc_front_run(tc_front* front, int listener) noexcept nogil
    void tc_front_drain(tc_front* front) noexcept nogil
    void tc_front_stop(tc_front* front) noexcept nogil
    int tc_front_set_key(
        tc_front* front, const unsigned char* digest, const char* account_id, unsigned int methods,
        int64_t lifetime_ns) noexcept nogil
    void tc_front_forget_key(tc_front* front, const unsigned char* digest) noexcept nogil
    int tc_front_set_anybody(
        tc_front* front, const char* account_id, unsigned int methods) noexcept nogil
    int tc_front_set_answerer(
        tc_front* front, const char* account_id, const tc_answerer* answerer) noexcept nogil
    int tc_front_event_fd(const tc_front* front) noexcept nogil
    tc_event* tc_front_take_events(tc_front* front) noexcept nogil
    void tc_event_free(tc_event* event) noexcept nogil
    int tc_front_reply_message(
        tc_front* front, uint64_t call_id, const void* data, size_t size) noexcept nogil
    int tc_front_reply_end(
        tc_front* front, uint64_t call_id, const void* trailer, size_t size) noexcept nogil
    void tc_front_read_counts(const tc_front* front, tc_front_counts* counts) noexcept nogil

BUCKET_BOUNDS_NS = tuple([TC_BUCKET_BOUNDS_NS[i] for i in range(TC_BUCKET_COUNT - 1)])


cdef bytes _bytes_of(const tc_bytes* found):
    return PyBytes_FromStringAndSize(<const char*> found.data, <Py_ssize_t> found.size)


cdef tuple _event_of(const tc_event* event):
    return (
        event.kind,
        event.call_id,
        event.method,
        bool(event.is_stream),
        event.packing,
        event.authorization_count,
        event.timeout_ns,
        event.code,
        event.elapsed_ns,
        _bytes_of(&event.message),
        _bytes_of(&event.authorization),
        _bytes_of(&event.request_id),
        (<bytes> event.peer).decode("ascii"),
    )


cdef class Front:
    """An HTTP/2 server of the hot methods; `run` is for a thread of its own."""

    cdef tc_front* _front
    cdef bint _is_running
    cdef dict _answerers

    def __cinit__(
        self,
        *,
        size_t connection_count_max,
        size_t stream_count_max,
        size_t message_bytes_max,
        size_t inline_bytes_max,
        size_t metadata_bytes_max,
        size_t held_bytes_max,
        size_t handed_count_max,
        int64_t first_ns,
        int64_t request_ns,
        int64_t idle_ns,
        int64_t age_ns,
        int64_t stall_ns,
        int64_t ping_ns,
        uint64_t sample_every,
        int64_t fixed_now_ns,
    ):
        cdef tc_front_settings settings
        settings.connection_count_max = connection_count_max
        settings.stream_count_max = stream_count_max
        settings.message_bytes_max = message_bytes_max
        settings.inline_bytes_max = inline_bytes_max
        settings.metadata_bytes_max = metadata_bytes_max
        settings.held_bytes_max = held_bytes_max
        settings.handed_count_max = handed_count_max
        settings.first_ns = first_ns
        settings.request_ns = request_ns
        settings.idle_ns = idle_ns
        settings.age_ns = age_ns
        settings.stall_ns = stall_ns
        settings.ping_ns = ping_ns
        settings.sample_every = sample_every
        settings.fixed_now_ns = fixed_now_ns
        self._answerers = {}
        self._front = tc_front_new(&settings)
        if self._front is NULL:
            raise MemoryError("expected memory and file descriptors for the front")

    def __dealloc__(self):
        # A thread in `run` holds a reference: the loop has ended.
        if self._front is not NULL:
            tc_front_free(self._front)

    def run(self, int listener):
        """Answer the connections of a listening socket until the end.

        Raises:
            OSError: The system refused what the loop needs.
        """
        cdef int result
        if self._is_running:
            raise RuntimeError("expected a front that does not run, was running")
        self._is_running = True
        with nogil:
            result = tc_front_run(self._front, listener)
        if result != 0:
            raise OSError(errno, os.strerror(errno))

    def drain(self):
        """Take no new connections, and let those that are open finish; `run` ends with them."""
        tc_front_drain(self._front)

    def stop(self):
        """End `run` and every connection."""
        tc_front_stop(self._front)

    @property
    def event_fd(self):
        """The file descriptor that is readable when there are events."""
        return tc_front_event_fd(self._front)

    def take_events(self):
        """Return the events since the last time, the eldest first."""
        cdef tc_event* event = tc_front_take_events(self._front)
        cdef tc_event* following
        found = []
        while event is not NULL:
            following = event.next
            try:
                found.append(_event_of(event))
            finally:
                tc_event_free(event)
            event = following
        return found

    def reply_message(self, uint64_t call_id, const unsigned char[::1] data not None):
        """Send a message of a call."""
        cdef size_t size = <size_t> data.shape[0]
        cdef const unsigned char* first = &data[0] if size else NULL
        if tc_front_reply_message(self._front, call_id, first, size) != 0:
            raise MemoryError

    def reply_end(self, uint64_t call_id, bytes trailer not None):
        """End a call with the fields of its trailer: name NUL value NUL, grpc-status first."""
        if tc_front_reply_end(
            self._front, call_id, <const char*> trailer, <size_t> len(trailer)
        ) != 0:
            raise MemoryError

    def set_key(
        self, bytes digest not None, str account_id not None, unsigned int methods,
        int64_t lifetime_ns
    ):
        """Let callers with an authorization of this SHA-256 call the methods for so long."""
        cdef const unsigned char* data = _digest(digest)
        account = account_id.encode()
        cdef const char* name = account
        cdef int result
        with nogil:
            result = tc_front_set_key(self._front, data, name, methods, lifetime_ns)
        if result != 0:
            raise MemoryError

    def forget_key(self, bytes digest not None):
        """Let callers with an authorization of this SHA-256 in no more."""
        cdef const unsigned char* data = _digest(digest)
        with nogil:
            tc_front_forget_key(self._front, data)

    def set_anybody(self, str account_id not None, unsigned int methods):
        """Let callers without an authorization call the methods."""
        account = account_id.encode()
        cdef const char* name = account
        cdef int result
        with nogil:
            result = tc_front_set_anybody(self._front, name, methods)
        if result != 0:
            raise MemoryError

    def set_answerer(self, str account_id not None, capsule):
        """Answer the calls of an account by what a capsule holds; by nothing when it is None."""
        cdef const tc_answerer* answerer = NULL
        if capsule is not None:
            answerer = <const tc_answerer*> PyCapsule_GetPointer(capsule, TC_ANSWERER_CAPSULE)
        account = account_id.encode()
        cdef const char* name = account
        cdef int result
        with nogil:
            # An answer that is being made is waited for, without the interpreter lock.
            result = tc_front_set_answerer(self._front, name, answerer)
        if result != 0:
            raise MemoryError
        if capsule is None:
            self._answerers.pop(account_id, None)
        else:
            self._answerers[account_id] = capsule

    def counts(self):
        """Return the counts by name; those of the hot methods are lists, method by method."""
        cdef tc_front_counts counts
        tc_front_read_counts(self._front, &counts)
        return {
            "handled": [
                [counts.handled[i][j] for j in range(TC_CODE_COUNT)]
                for i in range(TC_HOT_METHOD_COUNT)
            ],
            "buckets": [
                [counts.buckets[i][j] for j in range(TC_BUCKET_COUNT)]
                for i in range(TC_HOT_METHOD_COUNT)
            ],
            "elapsed_ns": [counts.elapsed_ns[i] for i in range(TC_HOT_METHOD_COUNT)],
            "handed_over": [counts.handed_over[i] for i in range(TC_METHOD_COUNT)],
            "stream_messages": counts.stream_messages,
            "refused": counts.refused,
            "connections_total": counts.connections_total,
            "connections_refused": counts.connections_refused,
            "calmed": counts.calmed,
            "connections": counts.connections,
            "streams": counts.streams,
            "held_bytes": counts.held_bytes,
        }


cdef const unsigned char* _digest(bytes digest) except NULL:
    if len(digest) != TC_DIGEST_SIZE:
        raise ValueError(f"expected {TC_DIGEST_SIZE} bytes, was {len(digest)}")
    return <const unsigned char*> digest
