/* What the machine says of itself, against what the system's own calls say. */
#include <sys/sysinfo.h>

#include "base/machine.h"
#include "tests/support.h"

static void test_machine_finds_memory_within_the_systems(void **state)
{
    (void)state;
    struct machine m;
    struct sysinfo system;
    machine_read(&m);
    assert_int_equal(sysinfo(&system), 0);
    assert_true(m.memory_bytes > 0);
    assert_true(m.memory_bytes <= (int64_t)system.totalram * system.mem_unit);
    assert_true(m.available_bytes > 0);
    assert_true(m.available_bytes <= m.memory_bytes);
}

static void test_machine_counts_processors_this_process_may_use(void **state)
{
    (void)state;
    struct machine m;
    machine_read(&m);
    assert_true(m.cpus >= 1);
    assert_true(m.cpus <= sysconf(_SC_NPROCESSORS_CONF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine_finds_memory_within_the_systems),
        cmocka_unit_test(test_machine_counts_processors_this_process_may_use),
    };
    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
