// Package process owns child processes: it starts one with its output in a log file, says when it is ready, notices
// when it ends, and ends it. A child never outlives the process that started it where the kernel can see to that
// (Linux), so a killed test or runner leaves no port in use.
//
// It knows nothing of what the processes are.
package process
