/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An eTSEC handed to user space: what the files of this module share.
 *
 * Numbers in comments, as in "HW 8.3", are sections of docs/hardware.md of the
 * project that this module belongs to.
 */
#ifndef UIO_ETSEC_H
#define UIO_ETSEC_H

#include <linux/fs.h>
#include <linux/io.h>
#include <linux/irqreturn.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uio_driver.h>
#include <linux/version.h>

/* A register page; each group has one (HW 1.1, 1.3). */
#define ETSEC_PAGE	SZ_4K
#define ETSEC_GROUPS	2
/* Transmit, receive, error, in the order of the device tree (HW 9.1, 16.1). */
#define ETSEC_LINES	3

struct etsec;

/**
 * struct etsec_line - one interrupt line of one group
 * @etsec:	whose it is
 * @name:	what /proc/interrupts calls it
 * @irq:	its number in Linux
 * @armed:	it is let through; the first interrupt ends that
 * @count:	how often it has fired
 *
 * @armed and @count are protected by &etsec.irq_lock.
 */
struct etsec_line {
	struct etsec *etsec;
	const char *name;
	int irq;
	bool armed;
	u64 count;
};

/**
 * struct etsec - one controller
 * @ref:	held by the driver and by every mapping of user space
 * @dev:	the platform device
 * @info:	what the UIO core knows of it; its maps are the registers, then
 *		the DMA memory, which is the last
 * @maps:	number of maps
 * @groups:	number of interrupt groups
 * @regs:	register pages of the groups
 * @lines:	interrupt lines, those of a group together
 * @irq_lock:	protects what lines remember, and with @lock @gone
 * @dma:	the DMA memory
 * @dma_addr:	its address for the device
 * @dma_size:	its length
 * @blank:	a page that says all ones, for mappings that outlive the device
 * @runs:	in the list of those that may do DMA
 * @began:	which it was to begin
 * @waits:	in the list of those whose memory others may still reach
 * @until:	the last one that may, by @began
 * @lock:	protects the members below
 * @inode:	the device file by which it is open
 * @users:	how often it is open
 * @keep:	whether the last close leaves device and memory as they are
 * @kept:	whether it has
 * @gone:	the driver lets go of the device
 */
struct etsec {
	struct kref ref;
	struct device *dev;
	struct uio_info info;
	unsigned int maps;
	unsigned int groups;
	void __iomem *regs[ETSEC_GROUPS];
	struct etsec_line lines[ETSEC_GROUPS * ETSEC_LINES];
	spinlock_t irq_lock; /* lines; and gone, with lock */
	void *dma;
	dma_addr_t dma_addr;
	size_t dma_size;
	struct page *blank;
	struct list_head runs;
	u64 began;
	struct list_head waits;
	u64 until;
	struct mutex lock; /* what follows */
	struct inode *inode;
	unsigned int users;
	bool keep;
	bool kept;
	bool gone;
};

/* tree.c */
int etsec_read_tree(struct etsec *etsec);
struct uio_mem *etsec_add_map(struct etsec *etsec, const char *name,
			      phys_addr_t addr, resource_size_t size);

/* lines.c */
extern const struct attribute_group etsec_lines_group;
int etsec_add_line(struct etsec *etsec, unsigned int group, unsigned int line,
		   int irq);
int etsec_request_lines(struct etsec *etsec);
int etsec_irqcontrol(struct uio_info *info, s32 on);
void etsec_disarm(struct etsec *etsec);

/* memory.c */
int etsec_alloc(struct etsec *etsec, size_t size);
void etsec_runs(struct etsec *etsec);
void etsec_rests(struct etsec *etsec);
void etsec_put(struct etsec *etsec);

/* mappings.c */
int etsec_mmap(struct uio_info *info, struct vm_area_struct *vma);
void etsec_revoke(struct etsec *etsec);

/* stop.c */
int etsec_stop(struct etsec *etsec);

#endif /* UIO_ETSEC_H */
