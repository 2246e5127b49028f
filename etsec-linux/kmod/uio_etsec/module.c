// SPDX-License-Identifier: GPL-2.0-only
/*
 * An eTSEC for a driver in user space: one UIO device that has its register
 * pages, its MDIO page, memory for DMA and the interrupts of all its groups, and
 * that stops the controller's DMA when its last user has gone, in whatever way.
 *
 * It knows no rings, no frames and no PHY.
 */
#include <linux/module.h>
#include <linux/of.h>
#include <linux/slab.h>

#include "uio_etsec.h"

#define DMA_KIB_MAX	SZ_1M

static unsigned int dma_kib = 4096;
module_param(dma_kib, uint, 0444);
MODULE_PARM_DESC(dma_kib, "DMA memory of each controller in KiB (default 4096)");

static bool keep;
module_param(keep, bool, 0444);
MODULE_PARM_DESC(keep, "Leave controllers running after the last close, for who adopts them (default N)");

static int etsec_open(struct uio_info *info, struct inode *inode)
{
	struct etsec *etsec = info->priv;
	int ret = 0;

	mutex_lock(&etsec->lock);
	if (!etsec->users) {
		etsec->inode = igrab(inode);
		if (!etsec->kept)
			memset(etsec->dma, 0, etsec->dma_size);
		etsec->kept = false;
		etsec_runs(etsec);
	} else if (etsec->inode != inode) {
		/* Mappings are found by the file they are of: there is one. */
		ret = -EBUSY;
	}
	if (!ret)
		etsec->users++;
	mutex_unlock(&etsec->lock);
	return ret;
}

/* Nobody uses it, and nobody is to come for what it has. */
static void etsec_rest(struct etsec *etsec)
{
	etsec->kept = false;
	if (!etsec_stop(etsec))
		etsec_rests(etsec);
	etsec_disarm(etsec);
}

static int etsec_release(struct uio_info *info, struct inode *inode)
{
	struct etsec *etsec = info->priv;

	mutex_lock(&etsec->lock);
	if (--etsec->users == 0) {
		iput(etsec->inode);
		etsec->inode = NULL;
		if (etsec->keep)
			etsec->kept = true;
		else
			etsec_rest(etsec);
	}
	mutex_unlock(&etsec->lock);
	return 0;
}

static ssize_t keep_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct etsec *etsec = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n", READ_ONCE(etsec->keep));
}

static ssize_t keep_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	struct etsec *etsec = dev_get_drvdata(dev);
	bool value;
	int ret;

	ret = kstrtobool(buf, &value);
	if (ret)
		return ret;
	mutex_lock(&etsec->lock);
	etsec->keep = value;
	if (!value && etsec->kept)
		etsec_rest(etsec);
	mutex_unlock(&etsec->lock);
	return count;
}
static DEVICE_ATTR_RW(keep);

static struct attribute *etsec_attributes[] = {
	&dev_attr_keep.attr,
	NULL
};

static const struct attribute_group etsec_group = {
	.attrs = etsec_attributes,
};

static const struct attribute_group *etsec_groups[] = {
	&etsec_group,
	&etsec_lines_group,
	NULL
};

/* The last that is done: the memory goes with its last mapping. */
static void etsec_undo_alloc(void *data)
{
	etsec_put(data);
}

/* Before that: nobody can reach the controller, and it stops. */
static void etsec_undo_start(void *data)
{
	struct etsec *etsec = data;

	etsec_revoke(etsec);
	if (etsec->inode)
		iput(etsec->inode);
	/*
	 * Memory that a controller may write to is lost, which is better than
	 * what it would do to those who get it.
	 */
	if (etsec_stop(etsec)) {
		dev_err(etsec->dev, "its DMA memory is not given back\n");
		kref_get(&etsec->ref);
		return;
	}
	etsec_rests(etsec);
}

/* The first: no line fires any more, and no page is mapped. */
static void etsec_undo_register(void *data)
{
	struct etsec *etsec = data;

	mutex_lock(&etsec->lock);
	spin_lock_irq(&etsec->irq_lock);
	etsec->gone = true;
	spin_unlock_irq(&etsec->irq_lock);
	mutex_unlock(&etsec->lock);
	etsec_disarm(etsec);
}

static int etsec_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct etsec *etsec;
	int ret;

	if (!dma_kib || dma_kib > DMA_KIB_MAX)
		return dev_err_probe(dev, -EINVAL, "dma_kib is %u, not 1 to %u\n",
				     dma_kib, DMA_KIB_MAX);
	etsec = kzalloc(sizeof(*etsec), GFP_KERNEL);
	if (!etsec)
		return -ENOMEM;
	kref_init(&etsec->ref);
	INIT_LIST_HEAD(&etsec->runs);
	spin_lock_init(&etsec->irq_lock);
	mutex_init(&etsec->lock);
	etsec->dev = get_device(dev);
	etsec->keep = keep;
	platform_set_drvdata(pdev, etsec);
	ret = devm_add_action_or_reset(dev, etsec_undo_alloc, etsec);
	if (ret)
		return ret;

	ret = etsec_read_tree(etsec);
	if (ret)
		return ret;
	/* Before it has memory: a boot loader may have left it running. */
	ret = etsec_stop(etsec);
	if (ret)
		return ret;
	ret = etsec_alloc(etsec, (size_t)dma_kib * SZ_1K);
	if (ret)
		return ret;
	ret = devm_add_action_or_reset(dev, etsec_undo_start, etsec);
	if (ret)
		return ret;
	ret = etsec_request_lines(etsec);
	if (ret)
		return ret;

	etsec->info.version = "1";
	etsec->info.irq = UIO_IRQ_CUSTOM;
	etsec->info.priv = etsec;
	etsec->info.open = etsec_open;
	etsec->info.release = etsec_release;
	etsec->info.mmap = etsec_mmap;
	etsec->info.irqcontrol = etsec_irqcontrol;
	ret = devm_uio_register_device(dev, &etsec->info);
	if (ret)
		return dev_err_probe(dev, ret, "no UIO device\n");
	ret = devm_add_action_or_reset(dev, etsec_undo_register, etsec);
	if (ret)
		return ret;

	dev_info(dev, "%s: %u group(s), %zu KiB for DMA at %pad\n",
		 etsec->info.name, etsec->groups, etsec->dma_size / SZ_1K,
		 &etsec->dma_addr);
	return 0;
}

/* What comes after a reboot by kexec has other uses for the memory. */
static void etsec_shutdown(struct platform_device *pdev)
{
	struct etsec *etsec = platform_get_drvdata(pdev);

	/* A user that still runs would start it again, for it may. */
	etsec_undo_register(etsec);
	etsec_revoke(etsec);
	mutex_lock(&etsec->lock);
	etsec_stop(etsec);
	mutex_unlock(&etsec->lock);
}

/*
 * There is no device table for the autoloader: nodes are those of the kernel's
 * own driver as well, and whose a port is to be is for the administrator to say.
 */
static const struct of_device_id etsec_ids[] = {
	{ .compatible = "fsl,etsec2" },
	/* Some MDIO buses are called that too. */
	{ .type = "network", .compatible = "gianfar" },
	{ }
};

static struct platform_driver etsec_driver = {
	.probe = etsec_probe,
	.shutdown = etsec_shutdown,
	.driver = {
		.name = "uio_etsec",
		.of_match_table = etsec_ids,
		.dev_groups = etsec_groups,
	},
};
module_platform_driver(etsec_driver);

MODULE_AUTHOR("The etsec developers");
MODULE_DESCRIPTION("Freescale eTSEC for a driver in user space");
MODULE_LICENSE("GPL");
