/* Turns callgrind's instrumentation on and off from within: what runs meanwhile is counted. */
#include <valgrind/callgrind.h>

void turn_on(void)
{
    CALLGRIND_START_INSTRUMENTATION;
}

void turn_off(void)
{
    CALLGRIND_STOP_INSTRUMENTATION;
}

void dump(void)
{
    CALLGRIND_DUMP_STATS;
}
